import { useWindowVirtualizer } from "@tanstack/react-virtual";
import { memo, useEffect, useLayoutEffect, useRef, useState } from "react";
import { Link } from "wouter";
import { files, type Shown } from "../api/microscope";
import type { CollectedLayer, IndexInfo, LayerFacts } from "../api/schema";
import { number } from "../parts/words";
import { pages } from "./links";
import { className, type Figures } from "./order";
import { COLUMNS, SheetTile, useSettled } from "./tile";

export type View = "patches" | "images" | "activations" | "filters";

const NARROWEST = 124;
const GAP = 12;
const CAPTION = 62;
const HEADER = 72;

interface Props {
  index: IndexInfo;
  layer: CollectedLayer;
  facts: LayerFacts;
  channels: number[];
  view: View;
  shown: Shown | null;
  figures: Figures;
  /** The place of the tile that the keys have chosen. */
  at: number;
  onSight: (channels: number[]) => void;
}

/** A layer's channels as tiles; only those in sight are in the page. */
export function Tiles({ channels, at, onSight, ...props }: Props) {
  const list = useRef<HTMLElement>(null);
  const width = useWidth(list);
  const columns = Math.max(2, Math.floor((width + GAP) / (NARROWEST + GAP)));
  const side = (width - GAP * (columns - 1)) / columns;
  const height = Math.round(side + CAPTION + GAP);
  const rows = useWindowVirtualizer({
    count: width > 0 ? Math.ceil(channels.length / columns) : 0,
    estimateSize: () => height,
    overscan: 3,
    scrollMargin: list.current?.offsetTop ?? 0,
    scrollPaddingStart: HEADER,
  });
  useLayoutEffect(() => rows.measure(), [height]);
  useEffect(() => {
    if (at < 0) return;
    rows.scrollToIndex(Math.floor(at / columns), { align: "auto" });
    const chosen = channels[at];
    const timer = requestAnimationFrame(() =>
      list.current?.querySelector<HTMLElement>(`[data-channel="${chosen}"]`)?.focus(),
    );
    return () => cancelAnimationFrame(timer);
  }, [at, channels, columns, rows]);
  const items = rows.getVirtualItems();
  const first = items[0]?.index ?? 0;
  const last = items.at(-1)?.index ?? -1;
  useEffect(() => {
    onSight(channels.slice(first * columns, (last + 1) * columns));
  }, [channels, first, last, columns, onSight]);
  return (
    <section
      ref={list}
      className="tiles"
      style={{ height: rows.getTotalSize() }}
      aria-label={`Channels of ${props.layer.name}`}
    >
      {items.map((row) => (
        <div
          key={row.key}
          className="tiles-row"
          style={{
            transform: `translateY(${row.start - rows.options.scrollMargin}px)`,
            gridTemplateColumns: `repeat(${columns}, 1fr)`,
            height: height - GAP,
          }}
        >
          <Row {...props} first={row.index * columns} columns={columns} channels={channels} />
        </div>
      ))}
    </section>
  );
}

type RowProps = Omit<Props, "at" | "onSight"> & { first: number; columns: number };

const Row = memo(function Row({ channels, first, columns, ...props }: RowProps) {
  const { index, layer, facts, view, figures } = props;
  const own = channels.slice(first, first + columns);
  const picture = useSheet(own, props);
  return own.map((channel) => {
    const dead = facts.dead[channel];
    const place = picture.channels.indexOf(channel);
    return (
      <Link
        key={channel}
        href={pages.unit(index.id, { layer: layer.name, channel })}
        className="tile"
        data-channel={channel}
        data-dead={dead || undefined}
      >
        {place < 0 ? (
          <span className="tile-empty quiet">no image yet</span>
        ) : (
          <SheetTile
            sheet={picture.address}
            place={place}
            columns={picture.columns}
            count={picture.channels.length}
            pixels={view === "activations" || view === "filters"}
          />
        )}
        <span className="tile-name">
          {channel}
          {dead && <span className="tile-dead"> dead</span>}
        </span>
        <span className="tile-note quiet clip">{told(facts, channel, figures)}</span>
        <span className="tile-note quiet clip">{className(facts, channel)}</span>
      </Link>
    );
  });
});

function told(facts: LayerFacts, channel: number, figures: Figures): string {
  const value = figures.values.get(channel);
  return value === undefined ? `up to ${number(facts.high[channel] ?? 0)}` : figures.told(value);
}

interface Picture {
  address: string | null;
  /** The channels that it shows, in its order. */
  channels: readonly number[];
  columns: number;
}

/** The sheet that has the pictures of a row of tiles. */
function useSheet(
  own: number[],
  { index, layer, facts, view, shown }: Omit<RowProps, "channels" | "first" | "columns">,
): Picture {
  const whole = view === "filters" || (view === "activations" && shown !== null);
  const channels = whole
    ? everything(layer.channels)
    : view === "images"
      ? own.filter((channel) => facts.imaged[channel])
      : own;
  const columns = whole
    ? Math.ceil(Math.sqrt(channels.length))
    : Math.min(COLUMNS, channels.length);
  const address =
    view === "filters"
      ? files.filters(index, layer.name)
      : view === "activations" && shown !== null
        ? files.activations(index, layer.name, shown)
        : channels.length === 0
          ? null
          : view === "images"
            ? files.images(index, layer.name, channels)
            : files.patches(index, layer.name, channels);
  return { address: useSettled(address), channels, columns };
}

const lists = new Map<number, number[]>();

/** All numbers below one; the same list each time. */
function everything(count: number): number[] {
  const found = lists.get(count) ?? Array.from({ length: count }, (_, channel) => channel);
  lists.set(count, found);
  return found;
}

function useWidth(element: React.RefObject<HTMLElement | null>): number {
  const [width, setWidth] = useState(0);
  useLayoutEffect(() => {
    if (!element.current) return;
    setWidth(element.current.clientWidth);
    const observer = new ResizeObserver(() => setWidth(element.current?.clientWidth ?? 0));
    observer.observe(element.current);
    return () => observer.disconnect();
  }, [element]);
  return width;
}
