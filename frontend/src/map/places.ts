import KDBush from "kdbush";

/** Where each photograph lies: x and y, from 0 to 1 but for the few that lie far from all others. */
export class Places {
  readonly count: number;
  /** The distance between neighbors, if they were spread evenly. */
  readonly spacing: number;
  #tree: KDBush | null = null;

  constructor(readonly positions: Float32Array) {
    this.count = positions.length / 2;
    this.spacing = 1 / Math.sqrt(Math.max(1, this.count));
  }

  x = (row: number): number => this.positions[2 * row] ?? 0;
  y = (row: number): number => this.positions[2 * row + 1] ?? 0;

  /** The rows in a box. */
  within(left: number, top: number, right: number, bottom: number): number[] {
    this.#tree ??= this.#grown();
    return this.#tree.range(left, top, right, bottom);
  }

  /** The rows inside a polygon: its corners are pairs of x and y. */
  inside(polygon: readonly number[]): number[] {
    const xs = polygon.filter((_, index) => index % 2 === 0);
    const ys = polygon.filter((_, index) => index % 2 === 1);
    if (xs.length < 3) return [];
    const box = [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)] as const;
    return this.within(...box).filter((row) => isInside(this.x(row), this.y(row), xs, ys));
  }

  #grown(): KDBush {
    const tree = new KDBush(this.count, 64, Float32Array);
    for (let row = 0; row < this.count; row++) tree.add(this.x(row), this.y(row));
    return tree.finish();
  }
}

/** Whether a ray from a point crosses a polygon's edges an odd number of times. */
function isInside(x: number, y: number, xs: number[], ys: number[]): boolean {
  let inside = false;
  for (let one = 0, other = xs.length - 1; one < xs.length; other = one++) {
    const [x1, y1, x2, y2] = [xs[one] ?? 0, ys[one] ?? 0, xs[other] ?? 0, ys[other] ?? 0];
    if (y1 > y !== y2 > y && x < ((x2 - x1) * (y - y1)) / (y2 - y1) + x1) inside = !inside;
  }
  return inside;
}

/** The places of a layout, moved and scaled so that nearly all lie between 0 and 1. */
export function laidOut(raw: Float32Array): Places {
  const [left, right] = ends(raw, 0);
  const [top, bottom] = ends(raw, 1);
  const side = Math.max(right - left, bottom - top) || 1;
  const positions = new Float32Array(raw.length);
  for (let at = 0; at < raw.length; at += 2) {
    positions[at] = ((raw[at] ?? 0) - (left + right) / 2) / side + 0.5;
    positions[at + 1] = ((raw[at + 1] ?? 0) - (top + bottom) / 2) / side + 0.5;
  }
  return new Places(positions);
}

const FAR = 0.005; // of the photographs at either end may lie outside

function ends(raw: Float32Array, offset: number): [number, number] {
  const values = new Float32Array(raw.length / 2).map((_, row) => raw[2 * row + offset] ?? 0);
  values.sort();
  const last = values.length - 1;
  const at = (fraction: number) => values[Math.round(fraction * last)] ?? 0;
  const slack = 0.1 * (at(1 - FAR) - at(FAR));
  return [Math.max(at(0), at(FAR) - slack), Math.min(at(1), at(1 - FAR) + slack)];
}

const WIDE = 1.4; // the width of the square of all photographs in its heights

/** The photographs in the order of the index, row by row. */
export function inOrder(count: number): Places {
  const across = Math.max(1, Math.ceil(Math.sqrt(count * WIDE)));
  const raw = new Float32Array(2 * count);
  for (let row = 0; row < count; row++) {
    raw[2 * row] = row % across;
    raw[2 * row + 1] = Math.floor(row / across);
  }
  return laidOut(raw);
}
