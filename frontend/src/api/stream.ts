import { useEffect, useMemo, useSyncExternalStore } from "react";
import { listenWhileVisible } from "./events";
import { rememberRun, useRun } from "./queries";
import type { FrameInfo, RunInfo } from "./schema";

export const FINAL = new Set<RunInfo["state"]>(["done", "canceled", "failed", "crashed"]);

export interface Stream {
  run: RunInfo | null;
  frames: readonly FrameInfo[];
  /** How many frames the server left out because this page was slow. */
  skipped: number;
}

const NOTHING: Stream = { run: null, frames: [], skipped: 0 };

/** A run's frames as they come. The page is told once per repaint, however many come. */
class RunStream {
  #value = NOTHING;
  #next = NOTHING;
  #repaint = 0;
  #tell: () => void = () => {};

  constructor(readonly id: string) {}

  read = () => this.#value;

  subscribe = (tell: () => void) => {
    this.#tell = tell;
    return () => {
      this.#tell = () => {};
    };
  };

  listen(): () => void {
    const stop = listenWhileVisible(() => this.#open());
    return () => {
      stop();
      cancelAnimationFrame(this.#repaint);
      this.#repaint = 0;
    };
  }

  #open(): EventSource | null {
    if (this.#next.run && FINAL.has(this.#next.run.state)) return null;
    const source = new EventSource(`/api/runs/${this.id}/events`);
    source.addEventListener("run", (event) => {
      const run = JSON.parse(event.data) as RunInfo;
      rememberRun(run);
      this.#change({ run });
      if (FINAL.has(run.state) && this.#complete(run)) source.close();
    });
    source.addEventListener("frame", (event) => this.#add(JSON.parse(event.data) as FrameInfo));
    source.addEventListener("skipped", (event) => {
      const { first, last } = JSON.parse(event.data) as { first: number; last: number };
      this.#change({ skipped: this.#next.skipped + last - first + 1 });
    });
    return source;
  }

  #complete(run: RunInfo): boolean {
    return (this.#next.frames.at(-1)?.number ?? -1) >= run.frames - 1;
  }

  #add(frame: FrameInfo): void {
    const last = this.#next.frames.at(-1)?.number ?? -1;
    if (frame.number > last) this.#change({ frames: [...this.#next.frames, frame] });
  }

  #change(part: Partial<Stream>): void {
    this.#next = { ...this.#next, ...part };
    this.#repaint ||= requestAnimationFrame(() => {
      this.#repaint = 0;
      this.#value = this.#next;
      this.#tell();
    });
  }
}

/** A run and its frames. Another round listens anew, to a run that goes on after its end. */
export function useStream(id: string | null, round = 0): Stream {
  const stream = useMemo(() => (id === null ? null : new RunStream(id)), [id, round]);
  // A run that waits needs no connection: what all windows hear says when it begins.
  const known = useRun(id);
  const waits = known?.state === "waiting";
  useEffect(() => (waits ? undefined : stream?.listen()), [stream, waits]);
  const heard = useSyncExternalStore(stream?.subscribe ?? none, stream?.read ?? (() => NOTHING));
  return waits && known ? { ...heard, run: known } : heard;
}

const none = () => () => {};
