import { useQuery } from "@tanstack/react-query";
import { answer, client } from "./client";
import { queries, useSession } from "./queries";
import type {
  ClassUnits,
  ConfusedPair,
  Connections,
  ImageInfo,
  IndexDetail,
  IndexInfo,
  LayerFacts,
  LayerUnits,
  Note,
  PhotographFacts,
  PhotographName,
  UnitFacts,
  UnitValue,
  WantedConnections,
  WantedImages,
} from "./schema";

/** A unit of an index. */
export interface Unit {
  layer: string;
  channel: number;
}

/** How a photograph finds units: by what they answer to it, or by how much they look like it. */
export type Found = "answer" | "look";

/** A photograph that units answer to: one of the session's images, or one of the index. */
export type Shown = { image: string } | { row: number };

export const scope = {
  index: (index: string) =>
    answer<IndexDetail>(client.GET("/api/indexes/{index}", { params: { path: { index } } })),
  layer: (index: string, layer: string) =>
    answer<LayerFacts>(
      client.GET("/api/indexes/{index}/layers/{layer}", { params: { path: { index, layer } } }),
    ),
  makeImages: (index: string, layer: string, channels: number[], number = 0) =>
    answer<WantedImages>(
      client.POST("/api/indexes/{index}/layers/{layer}/images", {
        params: { path: { index, layer } },
        body: { channels, number },
      }),
    ),
  makeConnections: (index: string, layer: string, channels: number[]) =>
    answer<WantedConnections>(
      client.POST("/api/indexes/{index}/layers/{layer}/connections", {
        params: { path: { index, layer } },
        body: { channels },
      }),
    ),
  unit: (index: string, { layer, channel }: Unit) =>
    answer<UnitFacts>(
      client.GET("/api/indexes/{index}/units/{layer}/{channel}", {
        params: { path: { index, layer, channel } },
      }),
    ),
  connections: (index: string, { layer, channel }: Unit) =>
    answer<Connections>(
      client.GET("/api/indexes/{index}/units/{layer}/{channel}/connections", {
        params: { path: { index, layer, channel } },
      }),
    ),
  alike: (index: string, { layer, channel }: Unit) =>
    answer<UnitValue[]>(
      client.GET("/api/indexes/{index}/units/{layer}/{channel}/alike", {
        params: { path: { index, layer, channel } },
      }),
    ),
  pushing: (index: string, number: number) =>
    answer<ClassUnits>(
      client.GET("/api/indexes/{index}/classes/{number}", { params: { path: { index, number } } }),
    ),
  writeNote: (index: string, { layer, channel }: Unit, text: string) =>
    answer<Note>(
      client.POST("/api/indexes/{index}/units/{layer}/{channel}/note", {
        params: { path: { index, layer, channel } },
        body: { text },
      }),
    ),
  found: (index: string, shown: Shown, by: Found) =>
    answer<LayerUnits[]>(
      client.GET("/api/indexes/{index}/found", {
        params: { path: { index }, query: { ...shown, by } },
      }),
    ),
  photographs: (index: string, search: string) =>
    answer<PhotographName[]>(
      client.GET("/api/indexes/{index}/photographs", {
        params: { path: { index }, query: { search } },
      }),
    ),
  photograph: (index: string, row: number) =>
    answer<PhotographFacts>(
      client.GET("/api/indexes/{index}/photographs/{row}", { params: { path: { index, row } } }),
    ),
  openPhotograph: (index: string, row: number) =>
    answer<ImageInfo>(
      client.POST("/api/indexes/{index}/photographs/{row}/open", {
        params: { path: { index, row } },
      }),
    ),
  confusions: (index: string) =>
    answer<ConfusedPair[]>(
      client.GET("/api/indexes/{index}/confusions", { params: { path: { index } } }),
    ),
};

/** The index of an id; else the first one of the command line. */
export function useIndex(id: string | null): IndexInfo | undefined {
  const indexes = useSession().data?.indexes ?? [];
  return indexes.find((one) => one.id === id) ?? indexes[0];
}

export const useIndexDetail = (index: string | undefined) =>
  useQuery({
    queryKey: ["index", index],
    queryFn: () => scope.index(index ?? ""),
    enabled: index !== undefined,
  });

export const useLayer = (index: string | undefined, layer: string | undefined) =>
  useQuery({
    queryKey: ["layer", index, layer],
    queryFn: () => scope.layer(index ?? "", layer ?? ""),
    enabled: index !== undefined && layer !== undefined,
  });

export const useUnit = (index: string | undefined, unit: Unit) =>
  useQuery({
    queryKey: ["unit", index, unit.layer, unit.channel],
    queryFn: () => scope.unit(index ?? "", unit),
    enabled: index !== undefined,
  });

export const useConnections = (index: string, unit: Unit) =>
  useQuery({
    queryKey: ["connections", index, unit.layer, unit.channel],
    queryFn: () => scope.connections(index, unit),
  });

export const useAlike = (index: string, unit: Unit, images: number) =>
  useQuery({
    queryKey: ["alike", index, unit.layer, unit.channel, images],
    queryFn: () => scope.alike(index, unit),
    enabled: images > 0,
  });

/** The units that push a class, for a number as it stands in an address. */
export const usePushing = (index: string, number: string | null) =>
  useQuery({
    queryKey: ["pushing", index, number],
    queryFn: () => scope.pushing(index, Number(number)),
    enabled: number !== null,
    retry: false,
  });

/** The units that a photograph finds. */
export const useFound = (index: string, shown: Shown | null, by: Found) =>
  useQuery({
    queryKey: ["found", index, by, shown],
    queryFn: () => scope.found(index, shown ?? { row: 0 }, by),
    enabled: shown !== null,
  });

export const usePhotograph = (index: string | undefined, row: number) =>
  useQuery({
    queryKey: ["photograph", index, row],
    queryFn: () => scope.photograph(index ?? "", row),
    enabled: index !== undefined,
  });

export const useConfusions = (index: string | undefined) =>
  useQuery({
    queryKey: ["confusions", index],
    queryFn: () => scope.confusions(index ?? ""),
    enabled: index !== undefined,
  });

/** Ask again for what is now known of a layer's units. */
export function refresh(index: string, layer: string): void {
  void queries.invalidateQueries({ queryKey: ["layer", index, layer] });
  void queries.invalidateQueries({ queryKey: ["unit", index, layer] });
  void queries.invalidateQueries({ queryKey: ["found", index, "look"] });
}

type Index = Pick<IndexInfo, "id" | "version">;

function file(index: Index, place: string, parameters: Record<string, string> = {}): string {
  const query = new URLSearchParams({ ...parameters, v: index.version });
  return `/api/indexes/${index.id}/${place}?${query}`;
}

const part = encodeURIComponent;

/** Addresses of files of an index, which never change. */
export const files = {
  column: (index: Index, name: string) => file(index, `map/columns/${name}`),
  layout: (index: Index, method: string) => file(index, `map/layouts/${method}`),
  photograph: (index: Index, row: number) => file(index, `photographs/${row}/picture`),
  /** Thumbnails of 128 or 32 pixels, as many across as the root of their number. */
  photographs: (index: Index, rows: readonly number[], size: "small" | "large" = "large") =>
    file(index, "sheets/photographs", { rows: rows.join(","), size }),
  patches: (index: Index, layer: string, channels: readonly number[]) =>
    file(index, `sheets/patches/${part(layer)}`, { channels: channels.join(",") }),
  images: (index: Index, layer: string, channels: readonly number[]) =>
    file(index, `sheets/images/${part(layer)}`, { channels: channels.join(",") }),
  filters: (index: Index, layer: string) => file(index, `sheets/filters/${part(layer)}`),
  activations: (index: Index, layer: string, shown: Shown) =>
    file(
      index,
      `sheets/activations/${part(layer)}`,
      "image" in shown ? shown : { row: String(shown.row) },
    ),
  ofUnit: (index: Index, { layer, channel }: Unit, group: string, view: string) =>
    file(index, `units/${part(layer)}/${channel}/patches`, { part: group, view }),
  image: (index: Index, { layer, channel }: Unit, number: number) =>
    file(index, `units/${part(layer)}/${channel}/images/${number}`),
  map: (index: Index, row: number, target: number) =>
    file(index, `photographs/${row}/maps/${target}`),
};
