import type { RunInfo } from "../api/schema";
import { duration, LOADING, steps } from "../parts/words";

/** How far a run is, in words that stand behind its state. */
export function progress(run: RunInfo): string {
  const seconds = run.seconds ?? 0;
  if (run.state === "waiting") return "for its turn";
  if (run.loading) return LOADING;
  if (run.state === "done") return `in ${duration(seconds)}`;
  if (run.state !== "running") return run.step ? `at ${steps(run)}` : "";
  return `${run.steps ? steps(run) : duration(seconds)}${left(run.seconds_left)}`;
}

function left(seconds: number | null | undefined): string {
  if (seconds == null) return "";
  return `, ${seconds < 1 ? "" : "about "}${duration(seconds)} left`;
}

/** How far a run is, as a bar; one that only moves where nobody knows how many steps there are. */
export function ProgressBar({ run, label }: { run: RunInfo; label: string }) {
  return (
    <progress aria-label={label} max={run.steps || 1} {...(run.steps ? { value: run.step } : {})} />
  );
}
