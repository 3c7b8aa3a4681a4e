import type { RunInfo } from "../api/schema";
import { FINAL, type Stream } from "../api/stream";
import { useKeys } from "../app/keys";
import { Button, IconButton } from "../parts/button";
import { SliderBox } from "../parts/fields";
import { PauseIcon, PlayIcon, StopIcon } from "../parts/icons";
import { AGAIN, number, STATES } from "../parts/words";
import { ProgressBar, progress } from "./progress";
import { useOrder } from "./start";

interface Props {
  run: RunInfo;
  stream: Stream;
  frame: number | null;
  onFrame: (frame: number | null) => void;
  onAgain: () => void;
}

/** Pause, stop, and a bar to move through the frames. */
export function Transport({ run, stream, frame, onFrame, onAgain }: Props) {
  const order = useOrder(run.id);
  const again = useOrder(run.id, onAgain);
  const ended = FINAL.has(run.state);
  const paused = run.state === "paused";
  const toggle = () => !ended && order.mutate(paused ? "go_on" : "pause");
  useKeys({ " ": toggle });
  const last = stream.frames.length - 1;
  const shown = frame ?? last;
  return (
    <div className="transport">
      <div className="transport-row">
        {!ended && (
          <>
            <IconButton label={paused ? "Go on (Space)" : "Pause (Space)"} onPress={toggle}>
              {paused ? <PlayIcon /> : <PauseIcon />}
            </IconButton>
            <IconButton label="Stop" onPress={() => order.mutate("cancel")}>
              <StopIcon />
            </IconButton>
          </>
        )}
        {ended && run.state !== "done" && (
          <Button onPress={() => again.mutate("again")}>{AGAIN[run.state]}</Button>
        )}
        <p role="status" className="transport-state">
          <strong>{STATES[run.state]}</strong> {progress(run)}
        </p>
        {!ended && <ProgressBar run={run} label="Progress" />}
      </div>
      {last > 0 && (
        <SliderBox
          label="Frame"
          minimum={1}
          maximum={last + 1}
          step={1}
          value={shown + 1}
          onChange={(value) => onFrame(value === last + 1 ? null : value - 1)}
        />
      )}
      {stream.skipped > 0 && (
        <p className="quiet">
          This page was slower than the run: {number(stream.skipped)} frames were left out here.
        </p>
      )}
      {(order.error ?? again.error) && (
        <p role="alert" className="problem">
          {(order.error ?? again.error)?.message}
        </p>
      )}
    </div>
  );
}
