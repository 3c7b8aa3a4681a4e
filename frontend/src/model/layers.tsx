import { useWindowVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useMemo, useRef } from "react";
import type { Graph, Node } from "../api/schema";
import { short } from "../parts/words";
import { type Link, lanesOf, linksOf } from "./lanes";

const ROW = 46;
const LANE = 9;
const MOST = 6;

interface Props {
  graph: Graph;
  layer: string | null;
  /** Whether to scroll to the chosen layer; the first page shows its beginning instead. */
  reveal: boolean;
  onLayer: (layer: string) => void;
}

/** The layers from input to output, and beside them which feeds which. */
export function Layers({ graph, layer, reveal, onLayer }: Props) {
  const { nodes } = graph;
  const links = useMemo(() => linksOf(graph), [graph]);
  const list = useRef<HTMLDivElement>(null);
  const rows = useWindowVirtualizer({
    count: nodes.length,
    estimateSize: () => ROW,
    overscan: 12,
    scrollMargin: list.current?.offsetTop ?? 0,
  });
  const chosen = nodes.findIndex(({ name }) => name === layer);
  const shown = useRef(-1);
  useEffect(() => {
    if (chosen < 0 || chosen === shown.current || !reveal) return;
    rows.scrollToIndex(chosen, { align: shown.current < 0 ? "center" : "auto" });
    shown.current = chosen;
  }, [chosen, rows, reveal]);
  const lanes = Math.min(MOST, lanesOf(links));
  const left = (lanes + 1) * LANE + 10;
  const items = rows.getVirtualItems();
  const first = items[0]?.index ?? 0;
  const last = items.at(-1)?.index ?? 0;
  return (
    <div ref={list} className="layers" style={{ height: rows.getTotalSize() }}>
      <svg className="links" width={left} height={rows.getTotalSize()} aria-hidden="true">
        {links
          .filter(({ from, to }) => to >= first && from <= last)
          .map((link) => (
            <path key={`${link.from} ${link.to}`} d={path(link, left)} />
          ))}
      </svg>
      {items.map((row) => {
        const node = nodes[row.index];
        return (
          node && (
            <button
              type="button"
              key={node.name}
              className="layer"
              aria-pressed={node.name === layer}
              onClick={() => onLayer(node.name)}
              style={{
                transform: `translateY(${row.index * ROW}px)`,
                paddingLeft: left + 8,
                height: ROW,
              }}
            >
              <Facts node={node} left={left} />
            </button>
          )
        );
      })}
    </div>
  );
}

function path({ from, to, lane }: Link, left: number): string {
  const x = left - 4;
  const [top, bottom] = [from * ROW + ROW / 2, to * ROW + ROW / 2];
  if (lane === 0) return `M${x} ${top}V${bottom}`;
  const out = x - Math.min(lane, MOST) * LANE;
  return `M${x} ${top}C${out} ${top} ${out} ${top} ${out} ${top + ROW / 2}V${bottom - ROW / 2}C${out} ${bottom} ${out} ${bottom} ${x} ${bottom}`;
}

function Facts({ node, left }: { node: Node; left: number }) {
  const { name, kind, shape, parameters, receptive_field: field } = node;
  return (
    <>
      <span
        className="layer-dot"
        data-joint={node.joint ? "" : undefined}
        style={{ left: left - 8 }}
        aria-hidden="true"
      />
      <span className="layer-name">
        <span className="clip clip-start">
          <bdi>{name}</bdi>
        </span>
        <small className="quiet clip">{kind}</small>
      </span>
      <span className="layer-shape">{shape.join(" × ")}</span>
      <span className="layer-more quiet">
        {parameters > 0 && <span>{short(parameters)} parameters</span>}
        {field != null && <span>sees {field} px</span>}
      </span>
    </>
  );
}
