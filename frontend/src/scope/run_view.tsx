import { Link } from "wouter";
import { useStream } from "../api/stream";
import { address } from "../app/address";
import { FrameView } from "../run/frame";

/** The last frame of a run, as it is made. */
export function RunView({ run: id, label }: { run: string; label: string }) {
  const { run, frames } = useStream(id);
  const frame = frames.at(-1);
  return (
    <section className="run-view" aria-label={label} aria-busy={run?.state === "running"}>
      <h3>{label}</h3>
      {run?.problem && (
        <p role="alert" className="problem">
          {run.problem}
        </p>
      )}
      {frame ? (
        <FrameView run={id} frame={frame} context={{ opacity: 0.85, scale: null }} />
      ) : (
        !run?.problem && <p className="quiet">Waiting for its turn…</p>
      )}
      <p>
        <Link href={address("/lab", { run: id })}>Open in the Lab</Link>
      </p>
    </section>
  );
}
