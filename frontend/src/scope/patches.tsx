import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { Link } from "wouter";
import { files, scope, type Unit } from "../api/microscope";
import type { IndexDetail, IndexInfo, Patch, RunInfo, UnitFacts } from "../api/schema";
import { useAddress } from "../app/address";
import { type Box, placed } from "../panels/types";
import { Button } from "../parts/button";
import { number } from "../parts/words";
import { useStart } from "../run/start";
import { pages } from "./links";
import { PhotographView } from "./photographs";
import { RunView } from "./run_view";
import { COLUMNS, SheetTile } from "./tile";

type Part = "top" | "bottom" | "across";

const PARTS: readonly { id: Part; title: string; about: string }[] = [
  { id: "top", title: "Strongest patches", about: "the photographs with its highest values" },
  {
    id: "across",
    title: "Across its range",
    about: "photographs from its lowest answer to its highest",
  },
  { id: "bottom", title: "Weakest patches", about: "the photographs with its lowest values" },
];

const VIEWS = [
  ["crop", "What it sees"],
  ["mask", "Where it is active"],
  ["whole", "Whole photograph"],
] as const;

interface Props {
  index: IndexInfo;
  detail: IndexDetail;
  unit: Unit;
  facts: UnitFacts;
}

/** The patches of a unit, and one of them in its photograph. */
export function Patches({ index, detail, unit, facts }: Props) {
  const { get, change } = useAddress();
  const view = VIEWS.find(([id]) => id === get("view"))?.[0] ?? "crop";
  const layer = detail.layers.find(({ name }) => name === unit.layer);
  const maps = layer !== undefined && (layer.size[0] ?? 1) * (layer.size[1] ?? 1) > 1;
  const [part, place] = chosenOf(get("patch"));
  const chosen = facts[part][place];
  return (
    <section className="patches" aria-label="Patches">
      <fieldset className="segments">
        <legend className="hidden">What is shown of the photographs</legend>
        {VIEWS.filter(([id]) => maps || id !== "mask").map(([id, name]) => (
          <button
            key={id}
            type="button"
            aria-pressed={id === view}
            onClick={() => change({ view: id === "crop" ? null : id })}
          >
            {name}
          </button>
        ))}
      </fieldset>
      {PARTS.map(({ id, title, about }) => {
        const patches = facts[id];
        if (patches.length === 0) return null;
        const columns = Math.min(COLUMNS, patches.length);
        return (
          <section key={id} aria-label={title}>
            <h2>
              {title} <small className="quiet">{about}</small>
            </h2>
            <ul className="strip patches-strip">
              {patches.map((patch, at) => (
                <li key={`${patch.photograph.row} ${patch.neuron}`}>
                  <button
                    type="button"
                    className="unit-tile"
                    aria-pressed={id === part && at === place}
                    onClick={() => change({ patch: `${id}.${at}` })}
                  >
                    <SheetTile
                      sheet={files.ofUnit(index, unit, id, view)}
                      place={at}
                      columns={columns}
                      count={patches.length}
                      label={`${patch.photograph.label ?? patch.photograph.name}:`}
                    />
                    <span className="tile-name">{number(patch.value)}</span>
                    <span className="tile-note quiet clip">
                      {patch.photograph.label ?? patch.photograph.name}
                    </span>
                  </button>
                </li>
              ))}
            </ul>
          </section>
        );
      })}
      {facts.missing && <p className="quiet">{facts.missing}</p>}
      {chosen && <Chosen key={`${part} ${place}`} index={index} detail={detail} patch={chosen} />}
    </section>
  );
}

function chosenOf(text: string | null): [Part, number] {
  const [part, place] = (text ?? "").split(".");
  const known = PARTS.find(({ id }) => id === part)?.id ?? "top";
  return [known, /^\d{1,4}$/.test(place ?? "") ? Number(place) : 0];
}

const TECHNIQUES = [
  ["deconvnet", "Deconvnet"],
  ["saliency", "Saliency"],
  ["guided_backprop", "Guided backpropagation"],
] as const;

interface ChosenProps {
  index: IndexInfo;
  detail: IndexDetail;
  patch: Patch;
}

/** A patch in its photograph, and what techniques make of it. */
function Chosen({ index, detail, patch }: ChosenProps) {
  const [runs, setRuns] = useState<{ run: string; title: string }[]>([]);
  const { photograph, neuron, value, box } = patch;
  const start = useStart(() => {});
  const explain = useMutation({
    mutationFn: async ([technique, title]: (typeof TECHNIQUES)[number]) => {
      const image = await scope.openPhotograph(index.id, photograph.row);
      const run: RunInfo = await start.mutateAsync({
        technique,
        network: detail.network,
        image: image.id,
        options: { target: neuron },
        check: false,
      });
      setRuns((before) => [{ run: run.id, title }, ...before]);
    },
  });
  const error = explain.error;
  return (
    <section className="chosen" aria-label="The chosen patch">
      <h2>The chosen patch</h2>
      <div className="chosen-photo">
        <PhotographView
          index={index}
          photograph={photograph}
          alt={`${photograph.name}, with what the unit sees`}
        >
          <span className="seen outlined" style={placed(within(box as Box))} />
        </PhotographView>
      </div>
      <div className="chosen-words">
        <p>
          <Link href={pages.photograph(index.id, photograph.row)}>{photograph.name}</Link>
          {photograph.label !== null && <span> · {photograph.label}</span>}
          {photograph.prediction && (
            <span className="quiet"> · predicted as {photograph.prediction}</span>
          )}
        </p>
        <p>
          <code>{neuron}</code> <span className="quiet">gives {number(value)} here.</span>
        </p>
        <p className="links">
          {TECHNIQUES.map((one) => (
            <Button key={one[0]} onPress={() => explain.mutate(one)} isDisabled={explain.isPending}>
              {one[1]}
            </Button>
          ))}
        </p>
        {error && (
          <p role="alert" className="problem">
            {error.message}
          </p>
        )}
        {runs.map(({ run, title }) => (
          <RunView key={run} run={run} label={`${title} of ${neuron}`} />
        ))}
      </div>
    </section>
  );
}

/** The part of a rectangle that lies on the photograph. */
function within([left, top, right, bottom]: Box): Box {
  const bounded = (value: number) => Math.min(1, Math.max(0, value));
  return [bounded(left), bounded(top), bounded(right), bounded(bottom)];
}
