import { useRef } from "react";
import { Link } from "wouter";
import { api } from "../api/client";
import { useImages, useNetwork } from "../api/queries";
import type { LiveFrame, LiveRequest } from "../api/schema";
import { address, useAddress } from "../app/address";
import { neighbor, useKeys } from "../app/keys";
import { ChoiceBox } from "../parts/fields";
import { useLoop } from "../parts/loop";
import { NetworkBox } from "../parts/network_box";
import { Predictions } from "../parts/predictions";
import { Sheet } from "../parts/sheet";
import { type Showing, Source } from "../parts/source";
import { percent } from "../parts/words";
import "../styles/live.css";

const SIDE = 320;
const OVERLAYS = [
  { id: "gradcam", name: "Grad-CAM of the top class" },
  { id: "unit", name: "Activations of one unit" },
  { id: "none", name: "Nothing" },
];

type Overlay = NonNullable<LiveRequest["overlay"]>;

export default function Live() {
  const { get, change } = useAddress();
  const network = useNetwork(get("network"));
  const images = useImages().data ?? [];
  const image = images.find(({ id }) => id === get("image")) ?? images[0];
  const layer = get("layer") ?? network?.default_layer ?? null;
  const unit = get("unit") === null ? null : Number(get("unit"));
  const overlay = (get("overlay") ?? "gradcam") as Overlay;
  const source = useRef<Showing | null>(null);
  const layers = network?.layers ?? [];
  const ask =
    network?.state === "ready"
      ? (frame: string) => api.live({ network: network.id, image: frame, layer, unit, overlay })
      : null;
  const question = JSON.stringify([network?.id, layer, unit, overlay, image?.id]);
  const { answer, problem, rate } = useLoop(source, SIDE, ask, question);

  const channels = answer?.channels ?? 0;
  const strongest = answer?.strongest?.[0] ?? 0;
  const setLayer = (next: string | undefined) => next && change({ layer: next, unit: null });
  const setUnit = (next: number) =>
    channels > 0 && change({ unit: String((next + channels) % channels), overlay: "unit" });
  useKeys({
    "[": () => setLayer(neighbor(layers, layer ?? undefined, -1)),
    "]": () => setLayer(neighbor(layers, layer ?? undefined, 1)),
    j: () => setUnit((unit ?? -1) + 1),
    k: () => setUnit((unit ?? 0) - 1),
  });
  return (
    <div className="live">
      <h1 className="hidden">Live</h1>
      <div className="live-left">
        <Source image={image} onImage={({ id }) => change({ image: id })} source={source}>
          {answer?.overlay && <Over answer={answer} label={overlayLabel(answer, overlay, unit)} />}
        </Source>
      </div>
      <div className="live-right">
        <NetworkBox
          value={network}
          onChange={(id) => change({ network: id, layer: null, unit: null })}
        />
        <section aria-label="What the network says">
          <h2>{top(answer)}</h2>
          {answer && <Predictions predictions={answer.predictions} />}
          <p className="quiet live-rate">
            {rate > 0 &&
              `${rate.toFixed(1)} answers a second, ${answer?.milliseconds.toFixed(0)} ms each, from ${SIDE} pixels`}
          </p>
          {problem && (
            <p role="alert" className="problem">
              {problem}
            </p>
          )}
        </section>
        <div className="live-choices">
          <ChoiceBox
            label="Over the picture"
            choices={OVERLAYS}
            value={overlay}
            onChange={(next) =>
              next === "unit" ? setUnit(unit ?? strongest) : change({ overlay: next })
            }
          />
          <ChoiceBox
            label="Layer ([ and ])"
            choices={layers.map((name) => ({ id: name, name }))}
            value={layer}
            onChange={setLayer}
          />
        </div>
        {answer?.sheet && <Sheet answer={answer} unit={unit} onUnit={setUnit} />}
        {unit !== null && layer && (
          <p className="links">
            <Link
              href={address("/lab", {
                technique: "neuron_image",
                network: network?.id,
                options: JSON.stringify({ target: `${layer}:${unit}` }),
                go: "1",
              })}
            >
              What does unit {unit} look for?
            </Link>
          </p>
        )}
      </div>
    </div>
  );
}

function top(answer: LiveFrame | null): string {
  const first = answer?.predictions[0];
  return first ? `${first.name}, ${percent(first.probability)}` : "Looking…";
}

function overlayLabel(answer: LiveFrame, overlay: Overlay, unit: number | null): string {
  if (overlay === "unit") return `Activations of ${answer.layer}, unit ${unit}`;
  const first = answer.predictions[0];
  return first ? `Grad-CAM of ${first.name}` : "Grad-CAM";
}

function Over({ answer, label }: { answer: LiveFrame; label: string }) {
  const [left, top, right, bottom] = answer.box ?? [0, 0, 1, 1];
  return (
    <>
      <img
        className="live-over"
        alt={label}
        src={`data:image/png;base64,${answer.overlay}`}
        style={{
          left: `${left * 100}%`,
          top: `${top * 100}%`,
          width: `${(right - left) * 100}%`,
          height: `${(bottom - top) * 100}%`,
        }}
      />
      <span className="live-label" aria-hidden="true">
        {label}
      </span>
    </>
  );
}
