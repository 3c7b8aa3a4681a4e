import { useState } from "react";
import { FINAL, useStream } from "../api/stream";
import type { Place } from "../panels/types";
import { SliderBox } from "../parts/fields";
import { Downloads } from "./downloads";
import { FrameView, hasOverlay } from "./frame";
import { Summary } from "./summary";
import { Transport } from "./transport";
import { Verdict } from "./verdict";

interface Props {
  id: string;
  frame: number | null;
  onFrame: (frame: number | null) => void;
  onPick?: (target: string) => void;
  onPlace?: (place: Place) => void;
}

/** On a phone, the form stands above: go on to what it began. */
function reveal(stage: HTMLElement | null): void {
  if (stage && stage.getBoundingClientRect().top > window.innerHeight / 2) stage.scrollIntoView();
}

/** A run: its newest frame or the one that is chosen, and all that can be done with it. */
export function Stage({ id, frame, onFrame, onPick, onPlace }: Props) {
  const [round, setRound] = useState(0);
  const stream = useStream(id, round);
  const [opacity, setOpacity] = useState(0.85);
  const { run, frames } = stream;

  const shown = frame === null ? frames.at(-1) : (frames[frame] ?? frames.at(-1));
  if (!run) return <p className="quiet waiting">Asking for the run…</p>;
  const ended = FINAL.has(run.state);
  const context = {
    opacity,
    scale: null,
    ...(onPick ? { onPick } : {}),
    ...(onPlace ? { onPlace } : {}),
  };
  return (
    <article ref={reveal} className="stage" aria-label={run.title} aria-busy={!ended}>
      <Transport
        run={run}
        stream={stream}
        frame={frame}
        onFrame={onFrame}
        onAgain={() => setRound(round + 1)}
      />
      {run.problem && (
        <p role="alert" className="problem">
          {run.problem}
        </p>
      )}
      {shown ? (
        <>
          <FrameView run={id} frame={shown} context={context}>
            {shown.check?.length ? <Verdict answers={shown.check} /> : null}
          </FrameView>
          {hasOverlay(shown) && (
            <SliderBox
              label="Map over the photograph"
              value={opacity}
              onChange={setOpacity}
              maximum={1}
              step={0.01}
              format={{ style: "percent" }}
            />
          )}
          <Summary frame={shown} />
        </>
      ) : (
        !ended && <div className="blank" aria-hidden="true" />
      )}
      {ended && frames.length > 0 && <Downloads run={run} />}
    </article>
  );
}
