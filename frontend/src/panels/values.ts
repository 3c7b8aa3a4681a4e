import { useQuery } from "@tanstack/react-query";
import type { HeatmapPanel } from "../api/schema";
import type { Place, Scale } from "./types";

/** The numbers of a map, row by row. */
export function useValues(url: string, wanted: boolean): Float32Array | undefined {
  return useQuery({
    queryKey: ["values", url],
    queryFn: async () => new Float32Array(await (await fetch(url)).arrayBuffer()),
    enabled: wanted,
    gcTime: 20_000,
  }).data;
}

export function valueAt(panel: HeatmapPanel, values: Float32Array, place: Place) {
  const [rows, columns] = panel.shape as [number, number];
  const row = Math.floor(place.y * rows);
  const column = Math.floor(place.x * columns);
  return { row, column, value: values[row * columns + column] ?? Number.NaN };
}

/** Draw a map in its colors, from `low` to `high`. */
export function paint(
  canvas: HTMLCanvasElement,
  panel: HeatmapPanel,
  values: Float32Array,
  { low, high }: Scale,
): void {
  const [rows, columns] = panel.shape as [number, number];
  canvas.width = columns;
  canvas.height = rows;
  const drawing = canvas.getContext("2d");
  if (!drawing) return;
  const colors = panel.colors.map(rgb);
  const pixels = drawing.createImageData(columns, rows);
  const over = panel.photo != null;
  for (let i = 0; i < values.length; i++) {
    const share = ((values[i] ?? low) - low) / (high - low || 1);
    const level = Math.min(1, Math.max(0, share));
    const [red, green, blue] = colors[Math.round(level * (colors.length - 1))] ?? [0, 0, 0];
    // Over a photograph, weak values let it through.
    const strength = panel.signed ? Math.abs(2 * level - 1) : level;
    pixels.data.set([red, green, blue, over ? 255 * Math.sqrt(strength) : 255], i * 4);
  }
  drawing.putImageData(pixels, 0, 0);
}

function rgb(color: string): [number, number, number] {
  const value = Number.parseInt(color.slice(1), 16);
  return [value >> 16, (value >> 8) & 255, value & 255];
}
