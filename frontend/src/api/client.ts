import createClient from "openapi-fetch";
import type {
  CallTexts,
  ClassInfo,
  FrameInfo,
  Graph,
  ImageInfo,
  LiveFrame,
  LiveRequest,
  MapInfo,
  MapNeighbors,
  Prediction,
  paths,
  RecipeExample,
  RecipeParts,
  RecipeTexts,
  RunInfo,
  RunRequest,
  Session,
  StyleInfo,
  StylizedFrame,
  StylizeRequest,
  TechniqueInfo,
  Vocabulary,
} from "./schema";

// The server takes writes only in JSON, also those without a body.
export const client = createClient<paths>({ headers: { "content-type": "application/json" } });

/** What the server refuses, as the one line that it says. */
export class Refusal extends Error {}

type Reply = { data?: unknown; error?: unknown; response: Response };

function line(error: unknown, response: Response): string {
  const detail = (error as { detail?: unknown } | undefined)?.detail;
  return typeof detail === "string" ? detail : `The server answered ${response.status}.`;
}

// openapi-fetch makes lists of tuples, so that the type is that of the schema.
export async function answer<T>(call: Promise<Reply>): Promise<T> {
  const { data, error, response } = await call.catch(() => {
    throw new Refusal("The server does not answer. Is `convscope explore` still running?");
  });
  if (!response.ok) throw new Refusal(line(error, response));
  return data as T;
}

export type Order = "pause" | "go_on" | "cancel" | "again";

export const api = {
  session: () => answer<Session>(client.GET("/api/session")),
  images: () => answer<ImageInfo[]>(client.GET("/api/images")),
  techniques: () => answer<TechniqueInfo[]>(client.GET("/api/techniques")),
  vocabulary: () => answer<Vocabulary>(client.GET("/api/vocabulary")),
  recipes: () => answer<RecipeExample[]>(client.GET("/api/recipes")),
  styles: () => answer<StyleInfo[]>(client.GET("/api/styles")),
  runs: (limit: number) =>
    answer<RunInfo[]>(client.GET("/api/runs", { params: { query: { limit } } })),
  run: (id: string) =>
    answer<RunInfo>(client.GET("/api/runs/{run}", { params: { path: { run: id } } })),
  frame: (id: string, number: number) =>
    answer<FrameInfo>(
      client.GET("/api/runs/{run}/frames/{number}", { params: { path: { run: id, number } } }),
    ),
  call: (id: string) =>
    answer<CallTexts>(client.GET("/api/runs/{run}/call", { params: { path: { run: id } } })),
  graph: (id: string) =>
    answer<Graph>(
      client.GET("/api/networks/{network}/graph", { params: { path: { network: id } } }),
    ),
  classes: (id: string, search: string, limit = 20) =>
    answer<ClassInfo[]>(
      client.GET("/api/networks/{network}/classes", {
        params: { path: { network: id }, query: { search, limit } },
      }),
    ),
  predictions: (id: string, image: string) =>
    answer<Prediction[]>(
      client.GET("/api/networks/{network}/predictions", {
        params: { path: { network: id }, query: { image } },
      }),
    ),
  start: (body: RunRequest) => answer<RunInfo>(client.POST("/api/runs", { body })),
  order: (id: string, order: Order) =>
    answer<RunInfo>(client.POST(`/api/runs/{run}/${order}`, { params: { path: { run: id } } })),
  remove: (id: string) =>
    answer<unknown>(client.DELETE("/api/runs/{run}", { params: { path: { run: id } } })),
  writeRecipe: (body: RecipeParts) =>
    answer<RecipeTexts>(client.POST("/api/recipes/write", { body })),
  readRecipe: (toml: string) =>
    answer<RecipeParts>(client.POST("/api/recipes/read", { body: { toml } })),
  live: (body: LiveRequest) => answer<LiveFrame>(client.POST("/api/live", { body })),
  map: (index: string) =>
    answer<MapInfo>(client.GET("/api/indexes/{index}/map", { params: { path: { index } } })),
  neighbors: (index: string, row: number, space: "features" | "pixels", count: number) =>
    answer<MapNeighbors>(
      client.GET("/api/indexes/{index}/map/neighbors/{row}", {
        params: { path: { index, row }, query: { space, count } },
      }),
    ),
  stylize: (body: StylizeRequest) => answer<StylizedFrame>(client.POST("/api/stylize", { body })),
  upload,
};

/** What is at an address of the API, as bytes. */
export async function bytes(url: string): Promise<Response> {
  const call = fetch(url).then(async (response): Promise<Reply> => {
    if (response.ok) return { response, data: response };
    return { response, error: await response.json().catch(() => undefined) };
  });
  return answer<Response>(call);
}

async function upload(file: Blob, name: string): Promise<ImageInfo> {
  const sent = fetch(`/api/images?name=${encodeURIComponent(name)}`, {
    method: "PUT",
    headers: { "content-type": file.type || "image/*" },
    body: file,
  }).then(async (response): Promise<Reply> => {
    const body: unknown = await response.json().catch(() => undefined);
    return response.ok ? { response, data: body } : { response, error: body };
  });
  return answer<ImageInfo>(sent);
}

export const imageUrl = (id: string, size: "thumbnail" | "full" = "full") =>
  `/api/images/${id}?size=${size}`;

export const blobUrl = (run: string, frame: number, blob: number) =>
  `/api/runs/${run}/frames/${frame}/${blob}`;
