import { useState } from "react";
import type { Decided, IndexInfo, UnitValue } from "../api/schema";
import { number } from "../parts/words";
import { UnitStrip } from "./units";

interface Props {
  index: IndexInfo;
  decided: readonly Decided[];
  /** What a positive part did. */
  up: string;
  /** What a negative part did. */
  down: string;
}

const MOST = 8;

/** What units added to a score: a layer at a time, the last one first. */
export function DecidedLayers({ index, decided, up, down }: Props) {
  const [chosen, setChosen] = useState<string | null>(null);
  const layers = [...decided].reverse();
  const one = layers.find(({ layer }) => layer === chosen) ?? layers[0];
  if (!one) return null;
  return (
    <>
      <fieldset className="segments">
        <legend className="hidden">Layer</legend>
        {layers.map(({ layer }) => (
          <button
            key={layer}
            type="button"
            aria-pressed={layer === one.layer}
            onClick={() => setChosen(layer)}
          >
            {layer}
          </button>
        ))}
      </fieldset>
      <p className="quiet">{sum(one)}</p>
      <Parts key={one.layer} index={index} units={one.units} up={up} down={down} />
    </>
  );
}

/** Units that added to a score, and units that took from it. */
export function Parts({ index, units, up, down }: Omit<Props, "decided"> & { units: UnitValue[] }) {
  const sides = [
    { name: up, units: units.filter(({ value }) => value > 0).slice(0, MOST) },
    { name: down, units: units.filter(({ value }) => value < 0).slice(0, MOST) },
  ];
  return (
    <div className="sides">
      {sides.map(
        (side) =>
          side.units.length > 0 && (
            <div key={side.name}>
              <h4>{side.name}</h4>
              <UnitStrip
                index={index}
                units={side.units}
                label={side.name}
                note={(place) => signed(side.units[place]?.value ?? 0)}
              />
            </div>
          ),
      )}
    </div>
  );
}

const signed = (value: number) => `${value > 0 ? "+" : ""}${number(value)}`;

function sum({ total, score, constant, exact }: Decided): string {
  const all = `All units of the layer together: ${signed(total)}`;
  if (!exact) return `${all}. The score is ${number(score)}.`;
  return `${all}; with ${signed(constant)} from no unit, this is the score, ${number(score)}.`;
}
