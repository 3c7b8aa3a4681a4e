import { number } from "../parts/words";
import { type Column, counted, range } from "./columns";

export type Color = readonly [number, number, number];

/** The shapes of dots, in the order of the shaders. */
export const SHAPES = [
  "circle",
  "triangle",
  "square",
  "diamond",
  "cross",
  "wedge",
  "ring",
] as const;
export type Shape = (typeof SHAPES)[number];

/** The same shapes as paths of an SVG of 16 by 16. */
export const PATHS: Record<Shape, string> = {
  circle: "M8 2.2a5.8 5.8 0 1 0 .01 0Z",
  triangle: "M8 1.6 14.4 13H1.6Z",
  square: "M2.8 2.8h10.4v10.4H2.8Z",
  diamond: "M8 .9 15.1 8 8 15.1.9 8Z",
  cross:
    "m3.9 1.4L8 5.5l4.1-4.1 2.5 2.5L10.5 8l4.1 4.1-2.5 2.5L8 10.5l-4.1 4.1-2.5-2.5L5.5 8 1.4 3.9Z",
  wedge: "M8 14.4 14.4 3H1.6Z",
  ring: "M8 1.6a6.4 6.4 0 1 0 .01 0ZM8 5a3 3 0 1 1-.01 0Z",
};

// Okabe and Ito 2008: told apart with every kind of color vision, on light and on dark.
const PALETTE: readonly Color[] = [
  [0, 114, 178],
  [213, 94, 0],
  [0, 158, 115],
  [204, 121, 167],
  [230, 159, 0],
  [86, 180, 233],
];
const REST: Color = [128, 128, 128];

// Viridis, without its darkest and its brightest end, which paper or night would swallow.
const SCALE: readonly Color[] = [
  [68, 57, 131],
  [49, 104, 142],
  [33, 145, 140],
  [53, 183, 121],
  [143, 200, 50],
  [216, 190, 20],
];

export interface Entry {
  /** The word, or none for all others. */
  word: number | null;
  name: string;
  count: number;
  color: Color;
  shape: Shape;
}

/** How a column is shown by color and shape. */
export interface Coloring {
  colors: Uint8Array;
  kinds: Uint8Array;
  entries: Entry[];
  /** The ends of a scale of numbers. */
  ends: [number, number] | null;
}

const UNKNOWN = "unknown";

function painted(count: number, pick: (row: number) => readonly [Color, Shape]) {
  const colors = new Uint8Array(4 * count);
  const kinds = new Uint8Array(count);
  for (let row = 0; row < count; row++) {
    const [[red, green, blue], shape] = pick(row);
    colors[4 * row] = red;
    colors[4 * row + 1] = green;
    colors[4 * row + 2] = blue;
    colors[4 * row + 3] = 255;
    kinds[row] = SHAPES.indexOf(shape);
  }
  return { colors, kinds };
}

/** All alike. */
export function plain(count: number): Coloring {
  const pick = [PALETTE[0] ?? REST, "circle"] as const;
  return { ...painted(count, () => pick), entries: [], ends: null };
}

export function colored(column: Column, shown: readonly number[]): Coloring {
  return column.words ? byWord(column, column.words, shown) : byNumber(column);
}

/** The words that are most frequent among what is shown have a color and a shape of their own. */
function byWord(column: Column, words: readonly string[], shown: readonly number[]): Coloring {
  const order = column.name === "outcome" ? outcomes(column, shown) : counted(column, shown);
  const named = order.filter(([word]) => words[word] !== "");
  const own = named.length <= PALETTE.length ? named : named.slice(0, PALETTE.length - 1);
  const entries: Entry[] = own.map(([word, count], place) => ({
    word,
    name: words[word] ?? "",
    count,
    color: PALETTE[place] ?? REST,
    shape: SHAPES[place] ?? "circle",
  }));
  const left = shown.length - own.reduce((sum, [, count]) => sum + count, 0);
  const others = named.length - own.length;
  if (left > 0) {
    const name = others > 0 ? `${number(others)} others` : UNKNOWN;
    entries.push({ word: null, name, count: left, color: REST, shape: "ring" });
  }
  const known = new Map(entries.map(({ word, color, shape }) => [word, [color, shape] as const]));
  const rest = [REST, "ring"] as const;
  const pick = (row: number) => known.get(column.values[row] ?? 0) ?? rest;
  return { ...painted(column.values.length, pick), entries, ends: null };
}

/** Right before wrong, whichever is more frequent: blue circles and orange triangles. */
function outcomes(column: Column, shown: readonly number[]): [number, number][] {
  return counted(column, shown).sort(([one], [other]) => one - other);
}

function byNumber(column: Column): Coloring {
  const ends = range(column);
  const [low, high] = ends;
  const rest = [REST, "ring"] as const;
  const pick = (row: number) => {
    const value = column.values[row] ?? Number.NaN;
    if (Number.isNaN(value)) return rest;
    return [along((value - low) / (high - low || 1)), "circle"] as const;
  };
  return { ...painted(column.values.length, pick), entries: [], ends };
}

/** A color of the scale, from 0 to 1. */
export function along(part: number): Color {
  const at = Math.min(1, Math.max(0, part)) * (SCALE.length - 1);
  const one = SCALE[Math.floor(at)] ?? REST;
  const other = SCALE[Math.ceil(at)] ?? one;
  const mix = at % 1;
  const [red = 0, green = 0, blue = 0] = one.map(
    (value, i) => value + mix * ((other[i] ?? 0) - value),
  );
  return [Math.round(red), Math.round(green), Math.round(blue)];
}

export const css = ([red, green, blue]: Color): string => `rgb(${red} ${green} ${blue})`;
export const gradient = `linear-gradient(to right, ${SCALE.map(css).join(", ")})`;
