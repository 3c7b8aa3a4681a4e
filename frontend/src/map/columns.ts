import { number, percent } from "../parts/words";

/** A fact of each photograph: numbers, NaN where unknown, or numbers of words, "" where unknown. */
export interface Column {
  name: string;
  title: string;
  values: Float32Array | Uint32Array;
  /** None for a column of numbers. */
  words: readonly string[] | null;
}

/** A column as the server sends it: float32; or uint32, then the words with NUL between them. */
export function columnOf(
  { name, title, kind }: { name: string; title: string; kind: "words" | "numbers" },
  count: number,
  data: ArrayBuffer,
): Column {
  if (kind === "numbers")
    return { name, title, values: new Float32Array(data, 0, count), words: null };
  const words = new TextDecoder().decode(new Uint8Array(data, 4 * count)).split("\0");
  return { name, title, values: new Uint32Array(data, 0, count), words };
}

/** The value of a column as a reader sees it; "" where it is unknown. */
export function valueAt(column: Column, row: number): string {
  const value = column.values[row];
  if (value === undefined || Number.isNaN(value)) return "";
  if (column.words) return column.words[value] ?? "";
  return valueText(column, value);
}

/** A number of a column in words. */
export const valueText = ({ name }: Column, value: number): string =>
  name === "probability" ? percent(value) : number(value);

/** How often each word occurs among these rows, the most frequent first. */
export function counted(column: Column, rows: Iterable<number>): [word: number, count: number][] {
  const counts = new Map<number, number>();
  for (const row of rows) {
    const word = column.values[row] ?? 0;
    counts.set(word, (counts.get(word) ?? 0) + 1);
  }
  return [...counts].sort(([one, many], [other, more]) => more - many || one - other);
}

/** The lowest and the highest number of a column. */
export function range({ values }: Column): [number, number] {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return low <= high ? [low, high] : [0, 1];
}
