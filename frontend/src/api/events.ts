import { useEffect } from "react";
import { forgetRun, queries, rememberRun } from "./queries";
import type { RunInfo, Session } from "./schema";

/** Listen while the page is visible: browsers open only six connections to a server. */
export function listenWhileVisible(open: () => EventSource | null): () => void {
  let source: EventSource | null = null;
  const update = () => {
    if (document.hidden) {
      source?.close();
      source = null;
    } else if (source === null) {
      source = open();
    }
  };
  document.addEventListener("visibilitychange", update);
  update();
  return () => {
    document.removeEventListener("visibilitychange", update);
    source?.close();
  };
}

interface News {
  name: string;
  data: string;
}

const NAMES = ["open", "session", "run", "deleted"];

const SHARED = "convscope events";

function connect(hear: (news: News) => void): EventSource {
  const source = new EventSource("/api/events");
  for (const name of NAMES) {
    source.addEventListener(name, (event) => hear({ name, data: (event as MessageEvent).data }));
  }
  return source;
}

/** Hear what the server tells. One window of the browser holds the connection for all of them. */
function listen(hear: (news: News) => void): () => void {
  if (!navigator.locks) {
    // Browsers have locks only at addresses that they call secure, as this machine's own.
    const source = connect(hear);
    return () => source.close();
  }
  const stop = new AbortController();
  const channel = new BroadcastChannel(SHARED);
  channel.addEventListener("message", (event) => hear(event.data as News));
  const lead = () =>
    new Promise<void>((done) => {
      const source = connect((news) => {
        hear(news);
        channel.postMessage(news);
      });
      stop.signal.addEventListener("abort", () => {
        source.close();
        done();
      });
    });
  navigator.locks.request(SHARED, { signal: stop.signal }, lead).catch(() => {});
  return () => {
    stop.abort();
    channel.close();
  };
}

function take({ name, data }: News): void {
  if (name === "open") void queries.invalidateQueries({ queryKey: ["runs"] });
  else if (name === "session") queries.setQueryData<Session>(["session"], JSON.parse(data));
  else if (name === "run") rememberRun(JSON.parse(data) as RunInfo);
  else forgetRun((JSON.parse(data) as { id: string }).id);
}

/** Keep what is known of networks and runs as new as the server's. */
export function useServerEvents(): void {
  useEffect(() => {
    const stop = listen(take);
    // What was asked for before this window listened may have changed meanwhile.
    for (const what of ["session", "runs"]) void queries.invalidateQueries({ queryKey: [what] });
    return stop;
  }, []);
}
