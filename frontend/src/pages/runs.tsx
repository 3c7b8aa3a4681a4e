import { useWindowVirtualizer } from "@tanstack/react-virtual";
import { useRef, useState } from "react";
import { Link } from "wouter";
import { useImages, useRuns } from "../api/queries";
import type { RunInfo } from "../api/schema";
import { FINAL } from "../api/stream";
import { Button } from "../parts/button";
import { AGAIN, number, STATES, text } from "../parts/words";
import { ProgressBar, progress } from "../run/progress";
import { useOrder, useRemove, useStart } from "../run/start";
import { pageOf } from "./home";
import "../styles/runs.css";

const ROW = 84;
const PAGE = 200;

export default function Runs() {
  const [limit, setLimit] = useState(PAGE);
  const runs = useRuns(limit);
  const all = [...(runs.data ?? [])].sort((one, other) => other.created - one.created);
  const list = useRef<HTMLUListElement>(null);
  const rows = useWindowVirtualizer({
    count: all.length,
    estimateSize: () => ROW,
    overscan: 8,
    scrollMargin: list.current?.offsetTop ?? 0,
    getItemKey: (index) => all[index]?.id ?? index,
  });
  const more = all.length >= limit;
  const active = all.filter(({ state }) => !FINAL.has(state)).length;
  return (
    <div className="page">
      <h1>Runs</h1>
      <p className="quiet" role="status">
        {count(all.length, active, more)}
      </p>
      {runs.isError && (
        <p role="alert" className="problem">
          {runs.error.message}
        </p>
      )}
      <ul ref={list} className="runs" style={{ height: rows.getTotalSize() }}>
        {rows.getVirtualItems().map((row) => {
          const run = all[row.index];
          return (
            run && (
              <li
                key={row.key}
                ref={rows.measureElement}
                data-index={row.index}
                style={{ transform: `translateY(${row.start - rows.options.scrollMargin}px)` }}
              >
                <Row run={run} />
              </li>
            )
          );
        })}
      </ul>
      {more && (
        <p>
          <Button onPress={() => setLimit(limit + PAGE)} isPending={runs.isPlaceholderData}>
            Show older runs
          </Button>
        </p>
      )}
    </div>
  );
}

function count(all: number, active: number, more: boolean): string {
  if (all === 0) return "Nothing has been run yet. Start in the Lab.";
  const runs = more
    ? `The newest ${number(all)} runs`
    : all === 1
      ? "1 run"
      : `${number(all)} runs`;
  return active ? `${runs}, ${active} of them not done. One runs at a time.` : `${runs}.`;
}

function Row({ run }: { run: RunInfo }) {
  const order = useOrder(run.id);
  const remove = useRemove(run.id);
  const start = useStart(() => {});
  const error = order.error ?? remove.error ?? start.error;
  const images = useImages().data ?? [];
  const image = images.find(({ id }) => id === run.request.image)?.name;
  const options = Object.entries(run.request.options ?? {}).map(([k, v]) => `${k} ${text(v)}`);
  const ended = FINAL.has(run.state);
  return (
    <div className="run-row" data-state={run.state}>
      <div className="run-name">
        <Link href={pageOf(run)}>{run.title}</Link>
        <span className="quiet clip">{[image, ...options].filter(Boolean).join(" · ")}</span>
        {run.problem && <span className="problem">{run.problem}</span>}
      </div>
      <div className="run-state">
        <span>
          <strong>{STATES[run.state]}</strong> <span className="quiet">{progress(run)}</span>
        </span>
        {!ended && run.state !== "waiting" && (
          <ProgressBar run={run} label={`Progress of ${run.title}`} />
        )}
      </div>
      <div className="run-orders">
        {run.state === "running" && <Button onPress={() => order.mutate("pause")}>Pause</Button>}
        {run.state === "paused" && <Button onPress={() => order.mutate("go_on")}>Go on</Button>}
        {!ended && <Button onPress={() => order.mutate("cancel")}>Cancel</Button>}
        {ended && (
          <>
            {run.state === "done" ? (
              <Button onPress={() => start.mutate(run.request)}>Run again</Button>
            ) : (
              <Button onPress={() => order.mutate("again")}>{AGAIN[run.state]}</Button>
            )}
            <Button kind="quiet" onPress={() => remove.mutate()} aria-label={`Delete ${run.title}`}>
              Delete
            </Button>
          </>
        )}
        {error && (
          <span role="alert" className="problem">
            {error.message}
          </span>
        )}
      </div>
    </div>
  );
}
