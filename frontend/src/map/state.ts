import type { Column } from "./columns";
import type { Places } from "./places";
import { CHOSEN, DIMMED, HIDDEN, SHOWN } from "./scene";

/** Which values of a column pass: words, or numbers from one to another. */
export type Condition = { words: string[] } | { from: number | null; to: number | null };

/** What a filter asks for, column by column. */
export type Filter = Record<string, Condition>;

export function readFilter(text: string | null): Filter {
  try {
    const found: unknown = JSON.parse(text ?? "{}");
    return typeof found === "object" && found !== null ? (found as Filter) : {};
  } catch {
    return {};
  }
}

export function writtenFilter(filter: Filter): string | null {
  const asking = Object.entries(filter).filter(([, condition]) => !isEmpty(condition));
  return asking.length > 0 ? JSON.stringify(Object.fromEntries(asking)) : null;
}

function isEmpty(condition: Condition): boolean {
  if ("words" in condition) return condition.words.length === 0;
  return condition.from === null && condition.to === null;
}

/** Whether a row passes a condition on a column. Unknown numbers pass no bound. */
export function passes(column: Column, condition: Condition): (row: number) => boolean {
  const { values, words } = column;
  if (words && "words" in condition) {
    const wanted = new Set(condition.words);
    const known = words.map((word) => wanted.has(word));
    return (row) => known[values[row] ?? 0] ?? false;
  }
  if (words || !("from" in condition)) return () => true;
  const from = condition.from ?? Number.NEGATIVE_INFINITY;
  const to = condition.to ?? Number.POSITIVE_INFINITY;
  return (row) => {
    const value = values[row] ?? Number.NaN;
    return value >= from && value <= to;
  };
}

/** Whether a row has a text in its path, label or prediction. */
export function mentions(columns: readonly Column[], text: string): (row: number) => boolean {
  const wanted = text.trim().toLowerCase();
  const found = columns
    .filter(({ words }) => words)
    .map(({ values, words }) => ({
      values,
      known: (words ?? []).map((word) => word.toLowerCase().includes(wanted)),
    }));
  return (row) => found.some(({ values, known }) => known[values[row] ?? 0]);
}

/** What was chosen: what lies in an outline of a layout, what is near to a photograph, or rows. */
export type Choice =
  | { kind: "area"; layout: string; polygon: number[] }
  | { kind: "near"; space: Space; row: number }
  | { kind: "rows"; rows: number[] };

export type Space = "features" | "pixels";

export function readChoice(text: string | null): Choice | null {
  const [kind, what = "", rest = ""] = (text ?? "").split(":");
  const numbers = (list: string) => list.split(",").map(Number).filter(Number.isFinite);
  if (kind === "area") return { kind, layout: what, polygon: numbers(rest) };
  if (kind === "near" && (what === "features" || what === "pixels")) {
    return { kind, space: what, row: Number(rest) || 0 };
  }
  return kind === "rows" && what ? { kind, rows: numbers(what) } : null;
}

export function writtenChoice(choice: Choice | null): string | null {
  if (choice?.kind === "area") {
    const corners = choice.polygon.map((value) => Number(value.toFixed(4)));
    return `area:${choice.layout}:${corners.join(",")}`;
  }
  if (choice?.kind === "near") return `near:${choice.space}:${choice.row}`;
  return choice && choice.rows.length > 0 ? `rows:${choice.rows.join(",")}` : null;
}

/** The rows of a choice, in its order; none while what it needs has not come yet. */
export function rowsOf(
  choice: Choice | null,
  places: Places | undefined,
  neighbors: readonly number[] | undefined,
): number[] | null {
  if (choice === null) return null;
  if (choice.kind === "rows") return choice.rows;
  if (choice.kind === "near") return neighbors ? [choice.row, ...neighbors] : null;
  return places?.inside(choice.polygon).sort((a, b) => a - b) ?? null;
}

/** How each photograph is drawn: what a filter leaves out is not, what is not meant is dimmed. */
export function statesOf(
  passing: Uint8Array,
  meant: Uint8Array,
  chosen: ReadonlySet<number> | null,
): Uint8Array {
  return passing.map((pass, row) => {
    if (!pass) return HIDDEN;
    if (!meant[row]) return DIMMED;
    if (chosen) return chosen.has(row) ? CHOSEN : DIMMED;
    return SHOWN;
  });
}

/** Rows by a column, those without a value last. */
export function sorted(rows: readonly number[], column: Column, down: boolean): number[] {
  const { values, words } = column;
  const rank = words && ranks(words);
  const key = (row: number) => (rank ? rank[values[row] ?? 0] : values[row]) ?? Number.NaN;
  const sign = down ? -1 : 1;
  return rows.toSorted((one, other) => {
    const [a, b] = [key(one), key(other)];
    const unknown = Number(Number.isNaN(a)) - Number(Number.isNaN(b));
    return unknown || sign * (a - b) || one - other;
  });
}

function ranks(words: readonly string[]): number[] {
  const order = words.map((_, word) => word);
  const compare = new Intl.Collator("en", { numeric: true }).compare;
  order.sort((a, b) => compare(words[a] ?? "", words[b] ?? ""));
  const found = new Array<number>(words.length).fill(Number.NaN);
  order.forEach((word, rank) => {
    if (words[word] !== "") found[word] = rank;
  });
  return found;
}
