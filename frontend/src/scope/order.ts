import type { Found } from "../api/microscope";
import type { LayerFacts, LayerUnits, UnitValue } from "../api/schema";
import { number } from "../parts/words";

export type Sort =
  | "index"
  | "strength"
  | "mean"
  | "sparsity"
  | "class"
  | "photograph"
  | "look"
  | "push";

export const SORTS: readonly { id: Sort; name: string }[] = [
  { id: "index", name: "Number" },
  { id: "strength", name: "Strength: highest value" },
  { id: "mean", name: "Mean value" },
  { id: "sparsity", name: "Sparsity" },
  { id: "class", name: "Class pushed up" },
  { id: "photograph", name: "Answer to a photograph" },
  { id: "look", name: "Likeness to a picture" },
];

/** The order that a chosen class gives. */
export const PUSH = (name: string) => ({ id: "push" as const, name: `What pushes ${name} up` });

/** Numbers of channels that say something of a photograph or a class, and what they say. */
export interface Figures {
  values: ReadonlyMap<number, number>;
  told: (value: number) => string;
}

const TOLD = {
  answer: (value: number) => `${number(value)} of its highest`,
  look: (value: number) => `likeness ${number(value)}`,
  push: (value: number) => `${value < 0 ? "takes" : "adds"} ${number(Math.abs(value))}`,
};

/** What a photograph finds among a layer's units. */
export const figuresOf = (found: LayerUnits[] | undefined, layer: string, by: Found): Figures => ({
  values: valuesOf(found?.find((one) => one.layer === layer)?.units, layer),
  told: TOLD[by],
});

/** What the units add to the score of a class. */
export const pushesOf = (units: UnitValue[] | undefined, layer: string): Figures => ({
  values: valuesOf(units, layer),
  told: TOLD.push,
});

/** The values of those units that are of a layer, by channel. */
function valuesOf(units: readonly UnitValue[] = [], layer: string): Map<number, number> {
  const own = units.filter((unit) => unit.layer === layer);
  return new Map(own.map(({ channel, value }) => [channel, value]));
}

/** The channels of a layer in an order, without those that are not looked for. */
export function ordered(
  facts: LayerFacts,
  sort: Sort,
  find: string,
  alive: boolean,
  { values }: Figures,
): number[] {
  const all = facts.high.map((_, channel) => channel);
  const kept = all.filter((channel) => {
    if (alive && facts.dead[channel]) return false;
    return find === "" || matches(facts, channel, find.toLowerCase());
  });
  const descending = (value: (channel: number) => number) =>
    kept.sort((one, other) => value(other) - value(one) || one - other);
  switch (sort) {
    case "strength":
      return descending((channel) => facts.high[channel] ?? 0);
    case "mean":
      return descending((channel) => facts.mean[channel] ?? 0);
    case "sparsity":
      return descending((channel) => facts.sparsity[channel] ?? 0);
    case "photograph":
    case "look":
    case "push":
      return descending((channel) => values.get(channel) ?? Number.MIN_SAFE_INTEGER);
    case "class":
      return kept.sort(
        (one, other) =>
          rank(className(facts, one)).localeCompare(rank(className(facts, other))) ||
          (facts.push[other] ?? 0) - (facts.push[one] ?? 0),
      );
    default:
      return kept;
  }
}

// Units that push no class come last.
const rank = (name: string) => name || "\uffff";

export function className(facts: LayerFacts, channel: number): string {
  return facts.classes[String(facts.pushed[channel])] ?? "";
}

function matches(facts: LayerFacts, channel: number, find: string): boolean {
  if (/^\d+$/.test(find)) return String(channel) === find;
  return className(facts, channel).toLowerCase().includes(find);
}
