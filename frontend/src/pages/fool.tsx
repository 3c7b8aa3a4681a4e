import { useState } from "react";
import { Tab, TabList, TabPanel, Tabs } from "react-aria-components";
import { usePredictions } from "../api/queries";
import type { RunInfo, RunRequest } from "../api/schema";
import { useAddress } from "../app/address";
import { ClassBox } from "../form/widgets";
import { Button } from "../parts/button";
import { SliderBox } from "../parts/fields";
import { ImagePicker } from "../parts/image_picker";
import { NetworkBox } from "../parts/network_box";
import { Predictions } from "../parts/predictions";
import { useChosen } from "../run/draft";
import { Stage } from "../run/stage";
import { useStart } from "../run/start";
import "../styles/lab.css";
import "../styles/fool.css";

const WAYS = [
  {
    id: "fool",
    name: "Race",
    text: "Step by step, the network is led to another class, while the photograph barely changes.",
  },
  {
    id: "fgsm",
    name: "One step",
    text: "All pixels change by the same small amount, in the direction that hurts the network most.",
  },
  {
    id: "linearity",
    name: "Linearity",
    text: "The scores of classes along a line: why small changes add up.",
  },
] as const;

type Way = (typeof WAYS)[number]["id"];

export default function Fool() {
  const { get, change: go } = useAddress();
  const way = WAYS.find(({ id }) => id === get("way")) ?? WAYS[0];
  const target = get("target") ?? "";
  const level = Number(get("epsilon") ?? 2);
  const draft = {
    technique: way.id,
    network: get("network"),
    image: get("image"),
    options: {},
    check: false,
  };
  const { network, image } = useChosen(draft, "fool");
  const run = get("run");
  const frame = get("frame");
  const show = (next: RunInfo) => go({ run: next.id, frame: null }, true);
  const start = useStart(show);
  const ready = image !== undefined && network !== undefined;
  const fool = (change: number) => {
    const request: RunRequest = {
      technique: way.id,
      network: network?.id ?? null,
      image: image?.id ?? null,
      options: optionsOf(way.id, target, change),
      check: false,
    };
    start.mutate(request);
  };
  return (
    <div className="lab">
      <aside className="lab-controls" aria-label="How to fool the network">
        <h1>Fool</h1>
        <ImagePicker
          value={image?.id ?? null}
          onChange={({ id }) => go({ image: id, run: null })}
        />
        <NetworkBox value={network} onChange={(id) => go({ network: id, run: null })} />
        <Tabs selectedKey={way.id} onSelectionChange={(key) => go({ way: String(key), run: null })}>
          <TabList aria-label="Ways" className="tabs">
            {WAYS.map(({ id, name }) => (
              <Tab key={id} id={id} className="tab">
                {name}
              </Tab>
            ))}
          </TabList>
          {WAYS.map(({ id, text }) => (
            <TabPanel key={id} id={id} className="tab-panel">
              <p>{text}</p>
            </TabPanel>
          ))}
        </Tabs>
        <Target
          value={target}
          network={network}
          onChange={(next) => go({ target: next || null })}
        />
        {way.id !== "fool" && (
          <SliderBox
            label="Largest change of a pixel, in 255ths (epsilon)"
            minimum={0.25}
            maximum={16}
            step={0.25}
            value={level}
            onChange={(value) => go({ epsilon: String(value) })}
            onRelease={(value) => way.id === "fgsm" && ready && fool(value)}
          />
        )}
        <div className="lab-run">
          <Button
            kind="main"
            isDisabled={!ready}
            isPending={start.isPending}
            onPress={() => fool(level)}
          >
            {way.id === "linearity" ? "Draw" : "Fool it"}
          </Button>
          <p role="status" className="status">
            {start.isError && start.error.message}
          </p>
        </div>
      </aside>
      <div className="lab-stage">
        {run === null ? (
          <Before network={network?.state === "ready" ? network.id : undefined} image={image} />
        ) : (
          <Stage
            key={run}
            id={run}
            frame={frame === null ? null : Number(frame)}
            onFrame={(next) => go({ frame: next === null ? null : String(next) })}
          />
        )}
      </div>
    </div>
  );
}

function optionsOf(way: Way, target: string, level: number): Record<string, unknown> {
  const wanted = target ? { target } : {};
  return way === "fool" ? wanted : { ...wanted, epsilon: level / 255 };
}

interface TargetProps {
  value: string;
  network: Parameters<typeof ClassBox>[0]["network"];
  onChange: (value: string) => void;
}

/** The class that the network is to see. It stands in the address when it is written. */
function Target({ value, network, onChange }: TargetProps) {
  const [text, setText] = useState(value);
  return (
    <ClassBox
      label="What the network shall see"
      description="If you give none, it is chosen for you."
      value={text}
      network={network}
      onChange={(next) => {
        setText(next);
        onChange(next);
      }}
    />
  );
}

interface BeforeProps {
  network: string | undefined;
  image: ReturnType<typeof useChosen>["image"];
}

function Before({ network, image }: BeforeProps) {
  const predictions = usePredictions(network, image?.id).data;
  if (!image) return null;
  const top = predictions?.[0];
  return (
    <figure className="preview">
      <img
        src={`/api/images/${image.id}?size=full`}
        alt={top ? `${image.name}, predicted as ${top.name}` : image.name}
        width={image.width}
        height={image.height}
      />
      <figcaption>
        <span>What the network sees now</span>
        {predictions && <Predictions predictions={predictions} />}
      </figcaption>
    </figure>
  );
}
