import { useMemo } from "react";
import type { MapInfo } from "../api/schema";
import { useAddress } from "../app/address";
import { photographUrl } from "./card";
import { ORDER } from "./data";
import {
  type Choice,
  type Filter,
  readChoice,
  readFilter,
  writtenChoice,
  writtenFilter,
} from "./state";

/** What the address asks for, and what changes it. */
export function useWanted(info: MapInfo) {
  const { get, change, navigate } = useAddress();
  const made = info.layouts.find((one) => one.made);
  const [where, chosen] = [get("where"), get("chosen")];
  const filter = useMemo(() => readFilter(where), [where]);
  const choice = useMemo(() => readChoice(chosen), [chosen]);
  const row = Number(get("row") ?? -1);
  return {
    layout: get("layout") ?? made?.method ?? ORDER,
    color: colorOf(info, get("color")),
    filter,
    choice,
    /** Whether the list has only what was chosen. */
    only: choice?.kind !== "rows" || get("only") === "1",
    search: get("search") ?? "",
    sort: get("sort"),
    down: get("down") === "1",
    row: row >= 0 && row < info.photographs ? row : null,
    view: get("view"),
    setLayout: (layout: string) => change({ layout }, true),
    setColor: (color: string) => change({ color }),
    setFilter: (next: Filter) => change({ where: writtenFilter(next) }),
    choose: (next: Choice | null, only = false) =>
      change({ chosen: writtenChoice(next), only: only ? "1" : null }, true),
    setOnly: (only: boolean) => change({ only: only ? "1" : null }),
    setSearch: (search: string) => change({ search: search || null }),
    setSort: (sort: string) => change({ sort: sort || null }),
    setDown: (down: boolean) => change({ down: down ? "1" : null }),
    setRow: (next: number | null) => change({ row: next === null ? null : String(next) }),
    setView: (view: string) => change({ view }),
    open: (next: number) => navigate(photographUrl(info.id, next)),
  };
}

export type Wanted = ReturnType<typeof useWanted>;

/** The column that colors the map: the one asked for, or the first that says something. */
function colorOf(info: MapInfo, asked: string | null): string | null {
  const names = info.columns.map(({ name }) => name).filter((name) => name !== "path");
  if (asked !== null) return names.includes(asked) ? asked : null;
  return ["outcome", "label", "prediction"].find((name) => names.includes(name)) ?? null;
}
