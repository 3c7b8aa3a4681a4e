import { useQuery } from "@tanstack/react-query";
import { api } from "../api/client";
import type { RunInfo } from "../api/schema";
import { CopyButton } from "../parts/copy";

/** The picture, the film, and what to type to make them again. */
export function Downloads({ run }: { run: RunInfo }) {
  const call = useQuery({ queryKey: ["call", run.id], queryFn: () => api.call(run.id) });
  const base = `/api/runs/${run.id}`;
  return (
    <section className="downloads" aria-label="Take it with you">
      <p className="links">
        <a href={`${base}/picture?format=png`} download>
          Picture
        </a>
        {(run.frames ?? 0) > 1 && (
          <a href={`${base}/film?format=webp`} download>
            Film
          </a>
        )}
        <span className="quiet">The picture says how it was made: convscope replay shows it.</span>
      </p>
      {call.data && (
        <>
          <Snippet title="Python" text={call.data.python} />
          {call.data.command && <Snippet title="Command line" text={call.data.command} />}
        </>
      )}
    </section>
  );
}

export function Snippet({ title, text }: { title: string; text: string }) {
  return (
    <div className="snippet">
      <div className="snippet-head">
        <h3>{title}</h3>
        <CopyButton text={() => text}>Copy</CopyButton>
      </div>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: text that scrolls must be reached by keys. */}
      <pre tabIndex={0}>{text}</pre>
    </div>
  );
}
