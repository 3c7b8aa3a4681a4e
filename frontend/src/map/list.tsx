import { useVirtualizer } from "@tanstack/react-virtual";
import { type KeyboardEvent, useEffect, useId, useRef, useState } from "react";

const TILE = 96;
const GAP = 8;
const LINE = TILE + 26;

interface Props {
  name: string;
  rows: readonly number[];
  chosen: ReadonlySet<number>;
  picture: (row: number) => string;
  /** What is said of a photograph, and the few words below it. */
  said: (row: number) => string;
  caption: (row: number) => string;
  onActive: (row: number | null) => void;
  onOpen: (row: number) => void;
  onToggle: (row: number) => void;
}

/** Photographs in lines, as many as there are: only those that are seen are in the page. */
export function PhotoList(props: Props) {
  const { rows, chosen, onActive } = props;
  const box = useRef<HTMLDivElement>(null);
  const id = useId();
  const across = useAcross(box);
  const [active, setActive] = useState(0);
  const at = Math.min(active, rows.length - 1);
  const lines = useVirtualizer({
    count: Math.ceil(rows.length / across),
    getScrollElement: () => box.current,
    estimateSize: () => LINE,
    overscan: 2,
  });
  const go = (next: number) => {
    const index = Math.min(rows.length - 1, Math.max(0, next));
    setActive(index);
    onActive(rows[index] ?? null);
    lines.scrollToIndex(Math.floor(index / across));
  };
  const press = (event: KeyboardEvent) => {
    const steps: Record<string, number> = {
      ArrowRight: at + 1,
      ArrowLeft: at - 1,
      ArrowDown: at + across,
      ArrowUp: at - across,
      Home: 0,
      End: rows.length - 1,
      PageDown: at + 4 * across,
      PageUp: at - 4 * across,
    };
    const row = rows[at];
    const next = steps[event.key];
    if (row === undefined) return;
    if (next !== undefined) go(next);
    else if (event.key === "Enter") props.onOpen(row);
    else if (event.key === " ") props.onToggle(row);
    else return;
    event.preventDefault();
  };

  return (
    <div
      ref={box}
      className="map-list"
      role="listbox"
      aria-multiselectable
      tabIndex={0}
      aria-label={`${props.name}. Arrow keys move, Space chooses, Enter opens.`}
      aria-activedescendant={rows.length > 0 ? `${id}-${at}` : undefined}
      onKeyDown={press}
      onFocus={() => onActive(rows[at] ?? null)}
      onBlur={() => onActive(null)}
    >
      <div className="map-lines" role="presentation" style={{ height: lines.getTotalSize() }}>
        {lines.getVirtualItems().map((line) => (
          <div
            key={line.key}
            role="presentation"
            className="map-line"
            style={{ transform: `translateY(${line.start}px)` }}
          >
            {rows.slice(line.index * across, (line.index + 1) * across).map((row, place) => {
              const index = line.index * across + place;
              return (
                // biome-ignore lint/a11y/useKeyWithClickEvents: the list has the keys.
                <div
                  key={row}
                  id={`${id}-${index}`}
                  className="map-tile"
                  role="option"
                  tabIndex={-1}
                  aria-label={props.said(row)}
                  aria-selected={chosen.has(row)}
                  aria-posinset={index + 1}
                  aria-setsize={rows.length}
                  data-active={index === at || undefined}
                  data-row={row}
                  onClick={() => props.onOpen(row)}
                  onPointerEnter={() => onActive(row)}
                  onPointerLeave={() => onActive(null)}
                >
                  <img src={props.picture(row)} alt="" width={TILE} height={TILE} />
                  <span className="clip">{props.caption(row)}</span>
                </div>
              );
            })}
          </div>
        ))}
      </div>
    </div>
  );
}

/** How many photographs stand side by side. */
function useAcross(box: React.RefObject<HTMLDivElement | null>): number {
  const [across, setAcross] = useState(3);
  useEffect(() => {
    const element = box.current;
    if (!element) return;
    const watch = new ResizeObserver(() => {
      setAcross(Math.max(1, Math.floor((element.clientWidth + GAP) / (TILE + GAP))));
    });
    watch.observe(element);
    return () => watch.disconnect();
  }, [box]);
  return across;
}
