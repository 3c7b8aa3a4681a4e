import type { Graph } from "../api/schema";

export interface Link {
  from: number;
  to: number;
  /** 0 between neighbors; the others are drawn beside each other. */
  lane: number;
}

/** The edges of a graph as links between rows; links that overlap get lanes of their own. */
export function linksOf({ nodes, edges }: Graph): Link[] {
  const rows = new Map(nodes.map(({ name }, row) => [name, row]));
  const links = edges
    .map((edge) => edge.map((name) => rows.get(name) ?? -1))
    .filter((ends): ends is [number, number] => ends.every((row) => row >= 0))
    .map(([one, other]) => ({ from: Math.min(one, other), to: Math.max(one, other), lane: 0 }));
  const long = links.filter(({ from, to }) => to - from > 1);
  const ends: number[] = [];
  for (const link of long.sort((a, b) => a.from - b.from || a.to - b.to)) {
    const free = ends.findIndex((end) => end <= link.from);
    const lane = free < 0 ? ends.length : free;
    ends[lane] = link.to;
    link.lane = lane + 1;
  }
  return links;
}

export const lanesOf = (links: Link[]): number =>
  links.reduce((most, { lane }) => Math.max(most, lane), 0);
