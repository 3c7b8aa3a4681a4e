import { useState } from "react";
import { blobUrl } from "../api/client";
import { useRuns } from "../api/queries";
import type { HeatmapPanel } from "../api/schema";
import { type Stream, useStream } from "../api/stream";
import { PanelView } from "../panels/panel";
import type { PanelContext, Scale } from "../panels/types";
import { Button } from "../parts/button";
import { ChoiceBox, SliderBox, SwitchBox } from "../parts/fields";
import { scored } from "./frame";

const MOST = 4;

interface Props {
  runs: string[];
  onChange: (runs: string[]) => void;
}

/** Runs side by side; their maps on one scale, if they have one unit. */
export function Compare({ runs, onChange }: Props) {
  const known = useRuns().data ?? [];
  const [opacity, setOpacity] = useState(0.85);
  const [shared, setShared] = useState(true);
  // One run alone is on the stage: no second stream for it.
  const several = runs.length > 1;
  const streams = [
    useStream(several ? (runs[0] ?? null) : null),
    useStream(runs[1] ?? null),
    useStream(runs[2] ?? null),
    useStream(runs[3] ?? null),
  ].slice(0, several ? runs.length : 0);
  const maps = streams.flatMap((stream) => mapsOf(stream));
  const scale = commonScale(maps);
  const others = known.filter((run) => !runs.includes(run.id) && (run.frames ?? 0) > 0);
  const names = others.map((run) => ({ id: run.id, name: run.title, note: named(run.request) }));
  return (
    <section className="compare" aria-label="Runs side by side">
      <div className="compare-tools">
        {runs.length < MOST && (
          <ChoiceBox
            label="Beside it"
            choices={names}
            value={null}
            onChange={(id) => onChange([...runs, id])}
            placeholder={names.length ? "Add a run" : "There is no other run yet"}
          />
        )}
        {maps.length > 1 && (
          <SwitchBox
            value={shared && scale !== null}
            onChange={setShared}
            description={scale ? undefined : "These maps have different units."}
          >
            One scale
          </SwitchBox>
        )}
        {maps.some((map) => map.photo != null) && (
          <SliderBox
            label="Maps over the photographs"
            value={opacity}
            onChange={setOpacity}
            maximum={1}
            step={0.01}
            format={{ style: "percent" }}
          />
        )}
      </div>
      <div className="compare-runs">
        {streams.map((stream, index) => (
          <Column
            key={runs[index]}
            stream={stream}
            context={{ opacity, scale: shared ? scale : null }}
            onClose={() => onChange(runs.filter((_, other) => other !== index))}
          />
        ))}
      </div>
    </section>
  );
}

interface ColumnProps {
  stream: Stream;
  context: Omit<PanelContext, "blob">;
  onClose: () => void;
}

function Column({ stream, context, onClose }: ColumnProps) {
  const { run, frames } = stream;
  const frame = frames.at(-1);
  if (!run) return <p className="quiet">Asking for the run…</p>;
  const blob = (number: number) => blobUrl(run.id, frame?.number ?? 0, number);
  return (
    <article aria-label={run.title}>
      <div className="compare-head">
        <h3>{run.title}</h3>
        <Button kind="quiet" onPress={onClose} aria-label={`Take away ${run.title}`}>
          Take away
        </Button>
      </div>
      <p className="quiet clip">{named(run.request)}</p>
      {frame?.panels[0] && (
        <PanelView panel={frame.panels[0]} context={{ ...context, score: scored(frame), blob }} />
      )}
    </article>
  );
}

function mapsOf({ frames }: Stream): HeatmapPanel[] {
  const panel = frames.at(-1)?.panels[0];
  if (panel?.kind === "sheet") return panel.maps;
  return panel?.kind === "heatmap" ? [panel] : [];
}

function commonScale(maps: HeatmapPanel[]): Scale | null {
  const [first] = maps;
  if (!first || maps.some((map) => map.label !== first.label || map.signed !== first.signed)) {
    return null;
  }
  return {
    low: Math.min(...maps.map((map) => map.low)),
    high: Math.max(...maps.map((map) => map.high)),
  };
}

function named(request: { options?: Record<string, unknown> }): string {
  const options = Object.entries(request.options ?? {}).map(
    ([name, value]) => `${name} ${String(value)}`,
  );
  return options.length ? options.join(", ") : "usual options";
}
