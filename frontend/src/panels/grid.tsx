import { useState } from "react";
import type { GridPanel } from "../api/schema";
import { SteadyImage } from "../parts/photo";
import { type PanelContext, type Place, placeOf } from "./types";

interface Tile {
  index: number;
  row: number;
  column: number;
}

/** Many small images in one picture. A press on a tile picks its unit, or one neuron of its map. */
export function GridView({ panel, context }: { panel: GridPanel; context: PanelContext }) {
  const [tile, setTile] = useState<Tile | null>(null);
  const rows = Math.ceil(panel.count / panel.columns);
  const picks = (panel.targets?.length ?? 0) > 0 && context.onPick !== undefined;

  const pick = (at: Tile | null) => {
    const target = at && panel.targets?.[at.index];
    if (!target) return;
    context.onPick?.(panel.cells ? `${target}@${at.row},${at.column}` : target);
  };
  const move = (key: string) => {
    const step = {
      ArrowRight: 1,
      ArrowLeft: -1,
      ArrowDown: panel.columns,
      ArrowUp: -panel.columns,
    };
    const change = step[key as keyof typeof step];
    if (change === undefined) return false;
    const index = (tile?.index ?? -1) + change;
    if (index >= 0 && index < panel.count) setTile({ index, ...middle(panel) });
    return true;
  };

  const position = tile && {
    left: `${((tile.index % panel.columns) / panel.columns) * 100}%`,
    top: `${(Math.floor(tile.index / panel.columns) / rows) * 100}%`,
    width: `${100 / panel.columns}%`,
    height: `${100 / rows}%`,
  };
  return (
    <>
      {/* biome-ignore lint/a11y/noStaticElementInteractions: a button where it acts. */}
      {/* biome-ignore lint/a11y/useAriaPropsSupportedByRole: it always has a role. */}
      <div
        className="grid"
        role={picks ? "button" : "img"}
        tabIndex={picks ? 0 : -1}
        aria-label={label(panel, tile, picks)}
        data-pick={picks || undefined}
        onPointerMove={(event) => setTile(under(panel, placeOf(event, event.currentTarget)))}
        onPointerLeave={() => setTile(null)}
        onClick={(event) => pick(under(panel, placeOf(event, event.currentTarget)))}
        onKeyDown={(event) => {
          if (event.key === "Enter") pick(tile);
          else if (!move(event.key)) return;
          event.preventDefault();
        }}
      >
        <SteadyImage src={context.blob(panel.blob)} alt="" className="pixels" />
        {(panel.marked ?? []).map((index) => (
          <span key={index} className="grid-mark" style={cell(panel, rows, index)} />
        ))}
        {position && <span className="grid-tile" style={position} />}
      </div>
      <p className="grid-name quiet">{tile ? name(panel, tile) : hint(panel, picks)}</p>
    </>
  );
}

function middle(panel: GridPanel) {
  const [rows, columns] = (panel.cells as [number, number] | null | undefined) ?? [1, 1];
  return { row: Math.floor(rows / 2), column: Math.floor(columns / 2) };
}

function under(panel: GridPanel, place: Place): Tile | null {
  const x = place.x * panel.columns;
  const y = place.y * Math.ceil(panel.count / panel.columns);
  const index = Math.floor(y) * panel.columns + Math.floor(x);
  const [rows, columns] = (panel.cells as [number, number] | null | undefined) ?? [1, 1];
  if (index >= panel.count) return null;
  return { index, row: Math.floor((y % 1) * rows), column: Math.floor((x % 1) * columns) };
}

function cell(panel: GridPanel, rows: number, index: number) {
  return {
    left: `${((index % panel.columns) / panel.columns) * 100}%`,
    top: `${(Math.floor(index / panel.columns) / rows) * 100}%`,
    width: `${100 / panel.columns}%`,
    height: `${100 / rows}%`,
  };
}

function name(panel: GridPanel, { index, row, column }: Tile): string {
  const caption = panel.captions?.[index] ?? "";
  const target = panel.targets?.[index];
  if (!target) return caption || `${index + 1} of ${panel.count}`;
  const at = panel.cells ? `${target}@${row},${column}` : target;
  return caption && !target.endsWith(`:${caption}`) ? `${at} · ${caption}` : at;
}

function hint(panel: GridPanel, picks: boolean): string {
  if (picks) return panel.cells ? "Press a tile to pick that neuron" : "Press a tile to pick it";
  return `${panel.count} tiles`;
}

function label(panel: GridPanel, tile: Tile | null, picks: boolean): string {
  const what = `${panel.caption}: ${panel.count} tiles`;
  if (!picks) return what;
  return tile ? `${what}. ${name(panel, tile)}` : `${what}. Arrow keys move, Enter picks.`;
}
