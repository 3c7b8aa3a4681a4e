import { QueryClient, useQuery } from "@tanstack/react-query";
import { api } from "./client";
import type { RunInfo } from "./schema";

export const queries = new QueryClient({
  defaultOptions: {
    queries: { staleTime: Number.POSITIVE_INFINITY, retry: 1, retryDelay: 700 },
  },
});

export const useSession = () => useQuery({ queryKey: ["session"], queryFn: api.session });
export const useImages = () => useQuery({ queryKey: ["images"], queryFn: api.images });
export const useTechniques = () =>
  useQuery({ queryKey: ["techniques"], queryFn: api.techniques, retry: 20 });
export const useVocabulary = () =>
  useQuery({ queryKey: ["vocabulary"], queryFn: api.vocabulary, retry: 20 });
export const useRecipes = () =>
  useQuery({ queryKey: ["recipes"], queryFn: api.recipes, retry: 20 });
export const useStyles = () => useQuery({ queryKey: ["styles"], queryFn: api.styles, retry: 20 });

const NEWEST = 200;

/** The newest runs. */
export const useRuns = (limit = NEWEST) =>
  useQuery({
    queryKey: ["runs", limit],
    queryFn: () => api.runs(limit),
    placeholderData: (before) => before,
  });

/** A run, if it is among the newest. */
export const useRun = (id: string | null) =>
  useQuery({
    queryKey: ["runs", NEWEST],
    queryFn: () => api.runs(NEWEST),
    select: (runs) => runs.find((run) => run.id === id),
    enabled: id !== null,
  }).data;

export const useGraph = (network: string | undefined) =>
  useQuery({
    queryKey: ["graph", network],
    queryFn: () => api.graph(network ?? ""),
    enabled: network !== undefined,
  });

export const useClasses = (network: string | undefined, search: string) =>
  useQuery({
    queryKey: ["classes", network, search],
    queryFn: () => api.classes(network ?? "", search),
    enabled: network !== undefined,
    placeholderData: (before) => before,
  });

export const usePredictions = (network: string | undefined, image: string | undefined) =>
  useQuery({
    queryKey: ["predictions", network, image],
    queryFn: () => api.predictions(network ?? "", image ?? ""),
    enabled: network !== undefined && image !== undefined,
  });

/** The network of an id; else that of a name, or the first one of the command line. */
export function useNetwork(id: string | null, name?: string) {
  const networks = useSession().data?.networks ?? [];
  return (
    networks.find((network) => network.id === id) ??
    networks.find((network) => network.name === name) ??
    networks[0]
  );
}

export function rememberRun(run: RunInfo): void {
  queries.setQueriesData<RunInfo[]>({ queryKey: ["runs"] }, (runs) => {
    if (!runs) return runs;
    const known = runs.some((other) => other.id === run.id);
    return known ? runs.map((other) => (other.id === run.id ? run : other)) : [run, ...runs];
  });
}

export function forgetRun(id: string): void {
  queries.setQueriesData<RunInfo[]>({ queryKey: ["runs"] }, (runs) =>
    runs?.filter((run) => run.id !== id),
  );
}
