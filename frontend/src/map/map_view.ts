import { Atlas, LARGE, type LoadSheet, SMALL } from "./atlas";
import { closer, type Size, toMap, toScreen, type View, whole } from "./camera";
import { SHAPES } from "./colors";
import { flight } from "./flight";
import { Layer } from "./layer";
import { paperOf } from "./paper";
import type { Places } from "./places";
import { CHOSEN, HIDDEN, type Look, Scene } from "./scene";

export interface Listener {
  /** A photograph is under the pointer, or none is. */
  hover: (row: number | null, x: number, y: number) => void;
  /** What is seen is drawn anew. */
  moved: () => void;
  /** What is seen has changed, and rests. */
  rest: (view: View, size: Size, inView: number[]) => void;
}

const TILE_FROM = 18; // pixels between neighbors, from which dots become thumbnails
const TILE = { least: 16, most: 96 };
const COVERED = 0.7; // of the distance between neighbors is a thumbnail's side
const SLOP = 7; // pixels that the pointer may miss a dot by
const REST = 140; // milliseconds without a change of the view

/** A map that can be moved and zoomed. What lies under the pointer is known without drawing. */
export class MapView {
  readonly scene: Scene;
  readonly #layer: Layer;
  view: View = { x: 0.5, y: 0.5, scale: 1 };
  size: Size = { width: 1, height: 1 };
  places: Places;
  #look: Look;
  #rank: Int32Array; // the place of each row in the order of drawing, -1 where it is not drawn
  #atlases: readonly [Atlas, Atlas];
  #atlas: Atlas; // that the thumbnails are drawn from
  #tiled = new Set<number>();
  #asked = 0; // the repaint that was asked for
  #resting = 0;
  #flown = 1;
  #rests = false;
  #stopFlight: () => void = () => {};

  constructor(
    canvas: HTMLCanvasElement,
    places: Places,
    look: Look,
    load: LoadSheet,
    readonly listener: Listener,
  ) {
    this.scene = new Scene(canvas);
    this.#layer = new Layer(canvas);
    this.places = places;
    this.#look = look;
    this.#rank = new Int32Array();
    const changed = () => this.#settle();
    const atlas = (kind: typeof SMALL) => new Atlas(this.scene.gl, kind, load, changed);
    this.#atlas = atlas(SMALL);
    this.#atlases = [this.#atlas, atlas(LARGE)];
    this.scene.setPlaces(places.positions, places.positions);
    this.setPaper();
    this.setLook(look);
  }

  /** Lay the photographs out anew; they fly there, unless motion is to be reduced. */
  setPlaces(places: Places, still: boolean): void {
    if (places === this.places) return;
    this.scene.setPlaces(this.places.positions, places.positions);
    this.places = places;
    this.#stopFlight();
    this.#showTiles([]);
    this.#stopFlight = flight(still, (flown) => {
      this.#flown = flown;
      this.redraw();
      if (flown === 1) this.#settle();
    });
  }

  /** Look again at the color that the map lies on. */
  setPaper(): void {
    this.scene.setPaper(paperOf(this.scene.canvas));
    this.#layer.stale = true;
    this.redraw(true);
  }

  setLook(look: Look): void {
    this.#look = look;
    const order = drawingOrder(look);
    this.#rank = new Int32Array(look.states.length).fill(-1);
    for (let place = 0; place < order.length; place++) this.#rank[order[place] ?? 0] = place;
    this.scene.setLook(look, order);
    this.#layer.stale = true;
    this.#settle();
  }

  resize(size: Size, ratio: number): void {
    const before = whole(this.size).scale;
    this.size = size;
    this.view = { ...this.view, scale: (this.view.scale / before) * whole(size).scale };
    this.#layer.resize(size, ratio);
    this.redraw();
    this.#rest();
  }

  look(view: View): void {
    this.view = view;
    this.redraw();
    this.#rest();
  }

  pan = (x: number, y: number): void => {
    const { view } = this;
    this.look({ ...view, x: view.x - x / view.scale, y: view.y - y / view.scale });
  };

  zoom = (factor: number, x = this.size.width / 2, y = this.size.height / 2): void =>
    this.look(closer(this.view, this.size, factor, x, y));

  /** The side of a thumbnail in pixels; 0 where the photographs are dots. */
  get side(): number {
    const apart = this.places.spacing * this.view.scale;
    return apart < TILE_FROM ? 0 : Math.min(TILE.most, Math.max(TILE.least, COVERED * apart));
  }

  get #dot(): number {
    const apart = this.places.spacing * this.view.scale;
    return Math.min(11, Math.max(3.5, 1.1 * apart));
  }

  /** The thumbnails that are sharp enough, if they hold so many. */
  #fitting(count: number): Atlas {
    const [small, large] = this.#atlases;
    return this.side * devicePixelRatio > 40 && count <= large.capacity ? large : small;
  }

  /** The photograph that is drawn on top at a point of the screen, or a dot close by. */
  at(x: number, y: number): number | null {
    if (this.#flown < 1) return null;
    const reach = Math.max(this.side / 2, this.#dot, SLOP);
    const near = this.#around(x, y, reach).filter((row) => (this.#rank[row] ?? -1) >= 0);
    const tiled = (row: number) => this.side > 0 && this.#tiled.has(row);
    const tile = this.#topmost(near, x, y, this.side / 2, tiled);
    if (tile !== null) return tile;
    const dot = this.#topmost(near, x, y, this.#dot / 2, (row) => !tiled(row));
    return dot ?? this.#nearest(near, x, y);
  }

  /** The photographs that are seen, in the order of the index. */
  inView(): number[] {
    const [left, top] = toMap(this.view, this.size, 0, 0);
    const [right, bottom] = toMap(this.view, this.size, this.size.width, this.size.height);
    const found = this.places.within(left, top, right, bottom);
    return found.filter((row) => this.#look.states[row] !== HIDDEN).sort((a, b) => a - b);
  }

  redraw(rests = false): void {
    this.#rests = rests;
    if (this.size.width <= 1) return;
    this.#asked ||= requestAnimationFrame(() => {
      this.#asked = 0;
      this.#draw();
      this.#layer.move(this.view, this.size);
      this.listener.moved();
    });
  }

  #draw(): void {
    const flies = this.#flown < 1;
    if (!flies && !this.#layer.needs(this.view, this.size, this.#rests)) return;
    const seen = [this.view, this.#layer.size, this.#dot] as const;
    if (flies) this.scene.drawFlight(...seen, this.#flown);
    else this.scene.draw(...seen, this.side, this.#atlas);
    this.#layer.show(this.view);
    this.#layer.stale = flies;
  }

  close(): void {
    cancelAnimationFrame(this.#asked);
    clearTimeout(this.#resting);
    this.#stopFlight();
    this.scene.close();
  }

  #around(x: number, y: number, reach: number): number[] {
    const [left, top] = toMap(this.view, this.size, x - reach, y - reach);
    const [right, bottom] = toMap(this.view, this.size, x + reach, y + reach);
    return this.places.within(left, top, right, bottom);
  }

  #topmost(
    rows: number[],
    x: number,
    y: number,
    reach: number,
    counts: (row: number) => boolean,
  ): number | null {
    let found: number | null = null;
    for (const row of rows) {
      if (!counts(row)) continue;
      const [left, top] = toScreen(this.view, this.size, this.places.x(row), this.places.y(row));
      if (Math.abs(left - x) > reach || Math.abs(top - y) > reach) continue;
      if (found === null || (this.#rank[row] ?? -1) > (this.#rank[found] ?? -1)) found = row;
    }
    return found;
  }

  #nearest(rows: number[], x: number, y: number): number | null {
    const far = (row: number) => {
      const [left, top] = toScreen(this.view, this.size, this.places.x(row), this.places.y(row));
      return Math.hypot(left - x, top - y);
    };
    const [first] = rows.filter((row) => far(row) <= SLOP).sort((a, b) => far(a) - far(b));
    return first ?? null;
  }

  #rest(): void {
    clearTimeout(this.#resting);
    this.#resting = window.setTimeout(() => this.#settle(), REST);
  }

  /** Show the thumbnails that are there, and load those that are missing. */
  #settle(): void {
    if (this.#flown < 1 || this.size.width <= 1) return;
    const rows = this.inView();
    const rank = this.#rank;
    const drawn = this.side > 0 ? rows.toSorted((a, b) => (rank[a] ?? 0) - (rank[b] ?? 0)) : [];
    this.#atlas = this.#fitting(drawn.length);
    const topmost = drawn.slice(-this.#atlas.capacity);
    this.#atlas.want(topmost.toReversed());
    this.#showTiles(topmost.filter(this.#atlas.has));
    this.listener.rest(this.view, this.size, rows);
  }

  #showTiles(rows: number[]): void {
    if (rows.length + this.#tiled.size > 0) this.#layer.stale = true;
    this.#tiled = new Set(rows);
    this.scene.setTiles(rows, this.places.positions, this.#look, this.#atlas);
    this.redraw(true);
  }
}

const OTHERS = SHAPES.indexOf("ring");

/** The rows that are drawn: dimmed ones first, chosen ones last, so that these are on top. Among
 * equals, those without a color of their own lie below. */
function drawingOrder({ states, kinds }: Look): Uint32Array {
  const level = (row: number) => 2 * (states[row] ?? 0) + Number(kinds[row] !== OTHERS);
  const levels: number[][] = Array.from({ length: 2 * CHOSEN + 2 }, () => []);
  for (let row = 0; row < states.length; row++) {
    if (states[row] !== HIDDEN) levels[level(row)]?.push(row);
  }
  return Uint32Array.from(levels.flat());
}
