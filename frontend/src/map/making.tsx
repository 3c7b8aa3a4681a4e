import { useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";
import { api } from "../api/client";
import { useRuns } from "../api/queries";
import type { MapInfo, MapLayout, RunInfo } from "../api/schema";
import { FINAL } from "../api/stream";
import { Button } from "../parts/button";
import { STATES } from "../parts/words";
import { ProgressBar, progress } from "../run/progress";
import { useStart } from "../run/start";

interface Props {
  info: MapInfo;
  layout: MapLayout;
}

/** A layout that has not been made: a run makes it, and the index keeps it. */
export function Making({ info, layout }: Props) {
  const client = useQueryClient();
  const start = useStart(() => {});
  const run = useRuns().data?.find((one) => makes(one, info.id, layout.method));
  const ended = run && FINAL.has(run.state);
  useEffect(() => {
    if (run?.state === "done") void client.invalidateQueries({ queryKey: ["map", info.id] });
  }, [run?.state, client, info.id]);
  const make = () =>
    start.mutate({
      technique: "embedding_map",
      network: null,
      image: null,
      options: { index: info.id, method: layout.method, limit: 1 },
      check: false,
    });
  const problem = layout.unavailable ?? start.error?.message ?? (ended ? run.problem : null);
  return (
    <div className="map-making" role="status">
      {run && !ended ? (
        <>
          <ProgressBar run={run} label={`${layout.title} is being made`} />
          <p>
            Laying out by {layout.title}: {STATES[run.state].toLowerCase()} {progress(run)}
          </p>
          <Button onPress={() => void api.order(run.id, "cancel")}>Cancel</Button>
        </>
      ) : (
        <>
          <p>
            This collection has not been laid out by {layout.title} yet. You see it in the order of
            its files.
          </p>
          {!layout.unavailable && (
            <Button kind="main" onPress={make} isPending={start.isPending}>
              Lay it out by {layout.title}
            </Button>
          )}
        </>
      )}
      {problem && (
        <p role="alert" className="problem">
          {problem}
        </p>
      )}
    </div>
  );
}

function makes({ request }: RunInfo, index: string, method: string): boolean {
  const { options } = request;
  const own = options?.index === index && (options?.method ?? "tsne") === method;
  return request.technique === "embedding_map" && own;
}
