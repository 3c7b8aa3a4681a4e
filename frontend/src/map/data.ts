import { useQueries, useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { api, bytes } from "../api/client";
import { files } from "../api/microscope";
import type { MapColumn, MapInfo } from "../api/schema";
import type { LoadSheet } from "./atlas";
import { type Column, columnOf } from "./columns";
import { inOrder, laidOut, type Places } from "./places";
import type { Choice } from "./state";

/** The layout that is always there: the photographs in the order of the index. */
export const ORDER = "order";

const NEAREST = 24;

export const loadSheet =
  (info: MapInfo): LoadSheet =>
  async (rows, size) =>
    (await bytes(files.photographs(info, rows, size))).blob();

export const useMap = (index: string | undefined) =>
  useQuery({
    queryKey: ["map", index],
    queryFn: () => api.map(index ?? ""),
    enabled: index !== undefined,
  });

function columnQuery(info: MapInfo | undefined, column: MapColumn | undefined) {
  return {
    queryKey: ["map", info?.id, info?.version, "column", column?.name],
    queryFn: async () => {
      if (!info || !column) throw new Error("no column");
      const reply = await bytes(files.column(info, column.name));
      return columnOf(column, info.photographs, await reply.arrayBuffer());
    },
    enabled: info !== undefined && column !== undefined,
  };
}

/** Some columns by their names, as far as they have come. */
export function useColumns(
  info: MapInfo | undefined,
  names: readonly string[],
): Map<string, Column> {
  const known = names.flatMap((name) => info?.columns.find((one) => one.name === name) ?? []);
  const found = useQueries({
    queries: known.map((column) => columnQuery(info, column)),
    combine: (answers) => answers.flatMap(({ data }) => data ?? []),
  });
  return useMemo(() => new Map(found.map((column) => [column.name, column])), [found]);
}

/** The places of a layout that has been made, or the order of the index. */
export function usePlaces(info: MapInfo | undefined, method: string | undefined) {
  return useQuery({
    queryKey: ["map", info?.id, info?.version, "places", method],
    queryFn: async (): Promise<Places> => {
      if (!info || method === undefined) throw new Error("no map");
      if (method === ORDER) return inOrder(info.photographs);
      const reply = await bytes(files.layout(info, method));
      return laidOut(new Float32Array(await reply.arrayBuffer()));
    },
    enabled: info !== undefined && method !== undefined,
    placeholderData: (before) => before,
    structuralSharing: false,
  });
}

export function useNeighbors(info: MapInfo | undefined, choice: Choice | null) {
  const near = choice?.kind === "near" ? choice : null;
  return useQuery({
    queryKey: ["map", info?.id, info?.version, "near", near?.space, near?.row],
    queryFn: () =>
      api.neighbors(info?.id ?? "", near?.row ?? 0, near?.space ?? "features", NEAREST),
    enabled: info !== undefined && near !== null,
    retry: false,
  });
}
