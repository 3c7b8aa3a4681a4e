import { useEffect, useRef, useState } from "react";
import type { RunInfo } from "../api/schema";
import { useAddress } from "../app/address";
import { neighbor, useKeys } from "../app/keys";
import { isValid, SchemaForm } from "../form/form";
import type { Place } from "../panels/types";
import { Button } from "../parts/button";
import { SwitchBox } from "../parts/fields";
import { ImagePicker } from "../parts/image_picker";
import { NetworkBox } from "../parts/network_box";
import { Compare } from "../run/compare";
import { type Chosen, type Draft, requestOf, useChosen, useDraft } from "../run/draft";
import { Picked, PlaceWindow } from "../run/picking";
import { Preview } from "../run/preview";
import { Stage } from "../run/stage";
import { useStart } from "../run/start";
import { TechniqueBox } from "../run/technique_box";
import "../styles/lab.css";

const USUAL = "gradcam";
const MISSING = "An option is missing or not right.";

export default function Lab() {
  const { get, change: go } = useAddress();
  const { draft, change } = useDraft();
  const chosen = useChosen(draft, USUAL);
  const run = get("run");
  const beside = (get("beside") ?? "").split(",").filter(Boolean);
  const frame = get("frame");
  const [picked, setPicked] = useState<string | null>(null);
  const [place, setPlace] = useState<Place | null>(null);
  const show = (next: RunInfo) => go({ run: next.id, frame: null }, true);

  const pick = (target: string) => {
    setPicked(target);
    if (takesTarget(chosen)) change({ options: { ...draft.options, target } });
  };
  useUnitKeys(draft, chosen, change);
  return (
    <div className="lab">
      <h1 className="hidden">Lab</h1>
      <Controls draft={draft} change={change} chosen={chosen} onStart={show} />
      <div className="lab-stage">
        {run === null ? (
          <Preview chosen={chosen} />
        ) : (
          <Stage
            key={run}
            id={run}
            frame={frame === null ? null : Number(frame)}
            onFrame={(next) => go({ frame: next === null ? null : String(next) })}
            onPick={pick}
            onPlace={setPlace}
          />
        )}
        {picked && <Picked target={picked} isTarget={takesTarget(chosen)} image={chosen.image} />}
        {run !== null && (
          <Compare
            runs={[run, ...beside]}
            onChange={([first, ...others]) =>
              go({ run: first ?? null, beside: others.join(",") || null })
            }
          />
        )}
      </div>
      <PlaceWindow
        place={place}
        network={chosen.network}
        onClose={() => setPlace(null)}
        onPick={pick}
      />
    </div>
  );
}

function takesTarget({ technique }: Chosen): boolean {
  const properties = technique?.options.properties as Record<string, unknown> | undefined;
  return properties !== undefined && "target" in properties;
}

/** [ and ] change the layer of the target, j and k its unit. */
function useUnitKeys(draft: Draft, { network }: Chosen, change: (part: Partial<Draft>) => void) {
  const target = typeof draft.options.target === "string" ? draft.options.target : "";
  const [layer = "", unit = "0"] = (target.split("@")[0] ?? "").split(":");
  const layers = network?.layers ?? [];
  const known = layers.includes(layer);
  const set = (to: string) => change({ options: { ...draft.options, target: to } });
  const step = (by: number) => {
    const next = neighbor(layers, known ? layer : (network?.default_layer ?? undefined), by);
    if (next) set(`${next}:0`);
  };
  const walk = (by: number) => known && set(`${layer}:${Math.max(0, Number(unit) + by)}`);
  useKeys({ "[": () => step(-1), "]": () => step(1), j: () => walk(1), k: () => walk(-1) });
}

interface ControlsProps {
  draft: Draft;
  change: (part: Partial<Draft>) => void;
  chosen: Chosen;
  onStart: (run: RunInfo) => void;
}

function Controls({ draft, change, chosen, onStart }: ControlsProps) {
  const { techniques, technique, network, image } = chosen;
  const start = useStart(onStart);
  const request = requestOf(draft, chosen);
  const ready =
    typeof request !== "string" &&
    technique !== undefined &&
    isValid(technique.options, draft.options);
  const press = () => typeof request !== "string" && start.mutate(request);
  useAutostart(ready, press);
  return (
    <aside className="lab-controls" aria-label="What to run">
      {(technique?.takes_image ?? true) && (
        <ImagePicker value={image?.id ?? null} onChange={({ id }) => change({ image: id })} />
      )}
      <NetworkBox value={network} onChange={(id) => change({ network: id })} />
      <TechniqueBox
        techniques={techniques ?? []}
        value={technique}
        onChange={(name) => change({ technique: name, options: kept(draft, techniques, name) })}
      />
      {technique && (
        <SchemaForm
          key={technique.name}
          schema={technique.options}
          values={draft.options}
          onChange={(options) => change({ options })}
          network={network}
        />
      )}
      <div className="lab-run">
        {technique?.attribution && (
          <SwitchBox value={draft.check} onChange={(check) => change({ check })}>
            Check whether the map can be trusted
          </SwitchBox>
        )}
        <Button kind="main" isDisabled={!ready} isPending={start.isPending} onPress={press}>
          Run
        </Button>
        <p role="status" className="status">
          {techniques && (typeof request === "string" ? request : ready ? "" : MISSING)}
          {start.isError && start.error.message}
        </p>
      </div>
    </aside>
  );
}

/** Options that the other technique has, too: its target and layer. */
function kept(draft: Draft, techniques: Chosen["techniques"], name: string) {
  const other = techniques?.find((technique) => technique.name === name);
  const properties = (other?.options.properties ?? {}) as Record<string, unknown>;
  const shared = Object.entries(draft.options).filter(([option]) => {
    return option === "target" && option in properties;
  });
  return Object.fromEntries(shared);
}

/** An address with `go` runs what it names, once. */
function useAutostart(ready: boolean, press: () => void) {
  const { get, change } = useAddress();
  const started = useRef(false);
  const wanted = get("go") !== null;
  useEffect(() => {
    if (!wanted || !ready || started.current) return;
    started.current = true;
    change({ go: null });
    press();
  });
}
