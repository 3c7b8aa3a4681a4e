import { useMutation } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";
import { Link, useParams } from "wouter";
import { scope, useIndex, useIndexDetail, usePhotograph } from "../api/microscope";
import { queries, useSession } from "../api/queries";
import type { IndexInfo, MistakeFacts, Neighbor, PhotographFacts } from "../api/schema";
import { address, useAddress } from "../app/address";
import { useKeys } from "../app/keys";
import { Button } from "../parts/button";
import { ChoiceBox, SliderBox } from "../parts/fields";
import { Predictions } from "../parts/predictions";
import { number, percent } from "../parts/words";
import { NoIndex, ScopeBar } from "../scope/bar";
import { DecidedLayers } from "../scope/decided";
import { pages } from "../scope/links";
import { PhotographStrip, PhotographView } from "../scope/photographs";
import { UnitStrip } from "../scope/units";
import "../styles/microscope.css";
import "../styles/photograph.css";

export default function PhotographPage() {
  const { row: text = "0" } = useParams<{ row?: string }>();
  const row = Number(text);
  const { get, navigate } = useAddress();
  const session = useSession().data;
  const index = useIndex(get("index"));
  const found = usePhotograph(index?.id, row);
  const count = index?.photographs ?? 1;
  const beside = (step: number) => (row + step + count) % count;
  const go = (next: number) => index && navigate(pages.photograph(index.id, next));
  useKeys({ j: () => go(beside(1)), k: () => go(beside(-1)) });
  if (!index) return <NoIndex asked={session !== undefined} />;
  const facts = found.data;
  return (
    <div className="scope">
      <ScopeBar index={index} page="photographs" />
      <header className="scope-head">
        <h1>{facts?.photograph.name ?? `Photograph ${text}`}</h1>
        {facts && <p className="quiet">{about(facts)}</p>}
        <p className="links scope-steps">
          <Link href={pages.photograph(index.id, beside(-1))}>← Previous (k)</Link>
          <Link href={pages.photograph(index.id, beside(1))}>Next (j) →</Link>
        </p>
      </header>
      {found.error && (
        <p role="alert" className="problem">
          {found.error.message}
        </p>
      )}
      {found.isPending && (
        <p role="status" className="quiet">
          Asking the units…
        </p>
      )}
      {facts && <Photograph key={facts.photograph.row} index={index} facts={facts} />}
    </div>
  );
}

function about({ photograph: { label, row, size } }: PhotographFacts): string {
  return `${label === null ? "" : `${label} · `}photograph ${row}, ${size.join(" × ")} pixels`;
}

interface Props {
  index: IndexInfo;
  facts: PhotographFacts;
}

function Photograph({ index, facts }: Props) {
  const { get, change } = useAddress();
  const [opacity, setOpacity] = useState(0.85);
  const { photograph, predictions, mistake, of_label } = facts;
  const targets = classesOf(facts);
  const target = targets.find(({ index }) => String(index) === get("map"))?.index ?? null;
  return (
    <div className="photograph-page">
      <section className="photograph-main" aria-label="The photograph">
        <PhotographView
          index={index}
          photograph={photograph}
          alt={photograph.name}
          target={target}
          opacity={opacity}
        />
        <div className="photograph-tools">
          <ChoiceBox
            label="What speaks for a class"
            choices={[
              { id: "none", name: "Only the photograph" },
              ...targets.map(({ index, name }) => ({ id: String(index), name })),
            ]}
            value={target === null ? "none" : String(target)}
            onChange={(next) => change({ map: next === "none" ? null : next })}
          />
          {target !== null && (
            <SliderBox
              label="Map over the photograph"
              value={opacity}
              onChange={setOpacity}
              maximum={1}
              step={0.05}
              format={{ style: "percent" }}
            />
          )}
        </div>
        <Techniques index={index} row={photograph.row} />
      </section>
      <section className="photograph-side" aria-label="What the network says">
        <h2>Predictions</h2>
        <Predictions predictions={predictions} />
        {photograph.label !== null && (
          <p data-wrong={mistake ? true : undefined}>
            {verdict(facts)} {mistake && <a href="#why">Explain this error</a>}
            {of_label == null && "It is no class of the network."}
          </p>
        )}
      </section>
      {mistake && <Why index={index} facts={facts} mistake={mistake} />}
      {facts.decided.length > 0 && (
        <section className="wide" aria-label="Units that decided">
          <h2>
            What decided{" "}
            <small className="quiet">
              gradient times activation: what each unit added to the score of the prediction
            </small>
          </h2>
          <DecidedLayers
            index={index}
            decided={facts.decided}
            up="spoke for it"
            down="spoke against it"
          />
        </section>
      )}
      <section className="wide" aria-label="Units that answer most">
        <h2>
          What answers most{" "}
          <small className="quiet">as a part of each unit's strongest photograph</small>
        </h2>
        {facts.strongest.map(({ layer, units }) => (
          <section key={layer} aria-label={layer}>
            <h3>
              <Link href={rowLayer(index, layer, photograph.row)}>{layer}</Link>
            </h3>
            <UnitStrip
              index={index}
              units={units}
              label={`Units of ${layer} that answer most`}
              note={(place) => percent(units[place]?.share ?? 0)}
            />
          </section>
        ))}
      </section>
      <Neighbors
        title="Nearest by what the network sees"
        about="how far their embeddings are apart, from 0 to 2"
        index={index}
        neighbors={facts.by_embedding}
      />
      <Neighbors
        title="Nearest by pixels"
        about="how far their colors are apart"
        index={index}
        neighbors={facts.by_pixels}
      />
    </div>
  );
}

/** A layer with its units in the order of their answers to a photograph. */
const rowLayer = (index: IndexInfo, layer: string, row: number) =>
  address(`/units/${encodeURIComponent(layer)}`, {
    index: index.id,
    sort: "photograph",
    row: String(row),
  });

/** The classes whose maps can be shown: the likeliest, and that of the label. */
function classesOf({ predictions, mistake }: PhotographFacts) {
  const found = predictions.map(({ index, name }) => ({ index, name }));
  const label = mistake?.label;
  if (label && !found.some(({ index }) => index === label.index)) found.push(label);
  return found;
}

function verdict({ photograph, mistake, of_label }: PhotographFacts): string {
  if (mistake) return `Its label is ${photograph.label}: the prediction is wrong.`;
  if (of_label == null) return `Its label is ${photograph.label}.`;
  return `Its label is ${photograph.label}: the prediction is right.`;
}

const TECHNIQUES = [
  ["gradcam", "Grad-CAM"],
  ["saliency", "Saliency"],
  ["occlusion", "Occlusion"],
] as const;

/** Techniques on this photograph, in the Lab. */
function Techniques({ index, row }: { index: IndexInfo; row: number }) {
  const { navigate } = useAddress();
  const network = useIndexDetail(index.id).data?.network ?? null;
  const open = useMutation({
    mutationFn: async (technique: string) => {
      const image = await scope.openPhotograph(index.id, row);
      await queries.invalidateQueries({ queryKey: ["images"] });
      navigate(address("/lab", { technique, image: image.id, network, go: "1" }));
    },
  });
  return (
    <div className="links">
      <span>In the Lab:</span>
      {TECHNIQUES.map(([technique, name]) => (
        <Button
          key={technique}
          kind="quiet"
          onPress={() => open.mutate(technique)}
          isDisabled={open.isPending}
        >
          {name}
        </Button>
      ))}
      {open.error && (
        <p role="alert" className="problem">
          {open.error.message}
        </p>
      )}
    </div>
  );
}

/** Why a photograph was taken for another class. */
function Why({ index, facts, mistake }: Props & { mistake: MistakeFacts }) {
  const section = useRef<HTMLElement>(null);
  useEffect(() => {
    if (window.location.hash === "#why") section.current?.scrollIntoView();
  }, []);
  const gap = mistake.prediction.value - mistake.label.value;
  return (
    <section className="wide why" id="why" aria-label="Why it was mistaken" ref={section}>
      <h2>
        Why {mistake.prediction.name}, not {mistake.label.name}?
      </h2>
      <p className="quiet">
        The score of {mistake.prediction.name} is {number(mistake.prediction.value)}, that of{" "}
        {mistake.label.name} {number(mistake.label.value)}: the difference is {number(gap)}.
      </p>
      <div className="pair">
        {[mistake.prediction, mistake.label].map(({ index: target, name }) => (
          <figure key={target}>
            <PhotographView
              index={index}
              photograph={facts.photograph}
              alt={`What speaks for ${name}`}
              target={target}
            />
            <figcaption>what speaks for {name}</figcaption>
          </figure>
        ))}
      </div>
      <DecidedLayers
        index={index}
        decided={mistake.decided}
        up={`spoke for ${mistake.prediction.name} more than for ${mistake.label.name}`}
        down={`spoke for ${mistake.label.name}`}
      />
      <Neighbors
        title={`The nearest photographs that are ${mistake.label.name}`}
        about="how far their embeddings are apart, from 0 to 2"
        index={index}
        neighbors={mistake.nearest}
      />
    </section>
  );
}

interface NeighborsProps {
  title: string;
  /** What the numbers say. */
  about: string;
  index: IndexInfo;
  neighbors: readonly Neighbor[];
}

function Neighbors({ title, about, index, neighbors }: NeighborsProps) {
  if (neighbors.length === 0) return null;
  return (
    <section className="wide" aria-label={title}>
      <h2>
        {title} <small className="quiet">{about}</small>
      </h2>
      <PhotographStrip
        index={index}
        photographs={neighbors.map(({ photograph }) => photograph)}
        label={title}
        note={(place) => number(neighbors[place]?.distance ?? 0)}
      />
    </section>
  );
}
