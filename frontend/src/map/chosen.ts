import { useMemo } from "react";
import type { MapInfo } from "../api/schema";
import { type Coloring, colored, plain } from "./colors";
import { type Column, counted } from "./columns";
import { useNeighbors, usePlaces } from "./data";
import type { Look } from "./scene";
import { type Filter, mentions, passes, rowsOf, sorted, statesOf } from "./state";
import type { Wanted } from "./wanted";

export interface Shown {
  look: Look;
  coloring: Coloring;
  /** Whether a photograph passes the filter and has the text that was searched for: 1 or 0. */
  meant: Uint8Array;
  /** Those that do, in the order of the index. */
  found: number[];
  /** What was chosen of it, in the order of the choice; null where nothing was. */
  chosen: number[] | null;
  problem: string | null;
}

/** What a filter, a search and a choice make of a collection. */
export function useShown(
  info: MapInfo,
  columns: ReadonlyMap<string, Column>,
  { filter, search, choice, color }: Wanted,
): Shown {
  const count = info.photographs;
  const area = usePlaces(info, choice?.kind === "area" ? choice.layout : undefined);
  const near = useNeighbors(info, choice);
  const passing = useMemo(() => passed(count, columns, filter), [count, columns, filter]);
  const mentioned = useMemo(() => {
    return search.trim() ? mentions([...columns.values()], search) : null;
  }, [columns, search]);
  const meant = useMemo(
    () => passing.map((pass, row) => Number(pass && (!mentioned || mentioned(row)))),
    [passing, mentioned],
  );
  const found = useMemo(() => [...meant.keys()].filter((row) => meant[row]), [meant]);
  const rows = useMemo(
    () => rowsOf(choice, area.data, near.data?.rows),
    [choice, area.data, near.data],
  );
  const chosen = useMemo(() => rows?.filter((row) => meant[row]) ?? null, [rows, meant]);
  const column = color === null ? undefined : columns.get(color);
  const coloring = useMemo(
    () => (column ? colored(column, found) : plain(count)),
    [column, found, count],
  );
  const look = useMemo(() => {
    const states = statesOf(passing, meant, chosen && new Set(chosen));
    return { colors: coloring.colors, kinds: coloring.kinds, states };
  }, [coloring, passing, meant, chosen]);
  return { look, coloring, meant, found, chosen, problem: near.error?.message ?? null };
}

/** Which rows pass a filter: 1 or 0. */
function passed(count: number, columns: ReadonlyMap<string, Column>, filter: Filter): Uint8Array {
  const tests = Object.entries(filter).flatMap(([name, condition]) => {
    const column = columns.get(name);
    return column ? [passes(column, condition)] : [];
  });
  return new Uint8Array(count).map((_, row) => Number(tests.every((test) => test(row))));
}

/** The photographs of the list: the chosen ones, or what is in view, in the order asked for. */
export function listed(
  { chosen, meant }: Shown,
  inView: readonly number[],
  column: Column | undefined,
  { only, down }: Wanted,
): readonly number[] {
  const rows = only && chosen ? chosen : inView.filter((row) => meant[row]);
  return column ? sorted(rows, column, down) : rows;
}

/** How many photographs have which label, the first few, in words. */
export function summed(column: Column | undefined, rows: readonly number[]): string {
  if (!column?.words || rows.length === 0) return "";
  const { words } = column;
  const named = counted(column, rows).filter(([word]) => words[word] !== "");
  const first = named.slice(0, 3).map(([word, count]) => `${words[word]} ${count}`);
  const more = named.length > 3 ? [`${named.length - 3} more`] : [];
  return [...first, ...more].join(", ");
}
