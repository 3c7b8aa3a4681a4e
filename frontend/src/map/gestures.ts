import { toMap } from "./camera";
import type { MapView } from "./map_view";

export type Tool = "move" | "lasso" | "rectangle";

export interface Hand {
  tool: () => Tool;
  /** The outline that is being drawn, as points of the screen; none at the end. */
  outline: (points: readonly number[] | null) => void;
  /** An outline is complete: pairs of x and y on the map. */
  choose: (polygon: number[]) => void;
  pick: (row: number | null) => void;
}

const CLICK = 4; // pixels that the pointer may move in a click
const STEP = 60; // pixels that an arrow key moves the map by
const APART = 4; // pixels between two corners of an outline

type Point = [number, number];

/** Let pointers, the wheel and keys move a map, and choose from it. A function that ends it. */
export function handle(element: HTMLElement, map: MapView, hand: Hand): () => void {
  const pointers = new Map<number, Point>();
  let moved = 0;
  let outline: number[] | null = null;

  const place = (event: MouseEvent): Point => {
    const box = element.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  const hover = (at: Point | null) => {
    const row = at && map.at(...at);
    map.listener.hover(row, ...(at ?? [0, 0]));
  };
  const middle = (): [number, number, number] => {
    const [one, other] = [...pointers.values()];
    if (!one) return [0, 0, 0];
    if (!other) return [...one, 0];
    const apart = Math.hypot(one[0] - other[0], one[1] - other[1]);
    return [(one[0] + other[0]) / 2, (one[1] + other[1]) / 2, apart];
  };

  const down = (event: PointerEvent) => {
    if (event.button !== 0) return;
    element.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, place(event));
    moved = pointers.size > 1 ? CLICK : 0;
    outline = hand.tool() === "move" || pointers.size > 1 ? null : [...place(event)];
    if (pointers.size > 1) hand.outline(null);
  };
  const move = (event: PointerEvent) => {
    const before = pointers.get(event.pointerId);
    const at = place(event);
    if (!before) return hover(at);
    const [x, y, apart] = middle();
    pointers.set(event.pointerId, at);
    moved += Math.hypot(at[0] - before[0], at[1] - before[1]);
    if (moved <= CLICK) return;
    hover(null);
    if (outline) {
      outline = drawn(outline, at, hand.tool());
      return hand.outline(outline);
    }
    const [nextX, nextY, nextApart] = middle();
    map.pan(nextX - x, nextY - y);
    if (apart && nextApart) map.zoom(nextApart / apart, nextX, nextY);
  };
  const up = (event: PointerEvent) => {
    if (!pointers.delete(event.pointerId)) return;
    if (moved <= CLICK && event.type === "pointerup") {
      const at = place(event);
      hover(at);
      hand.pick(map.at(...at));
    } else if (outline && outline.length > 4) {
      hand.choose(onMap(outline, map));
    }
    outline = null;
    hand.outline(null);
  };
  const leave = () => pointers.size === 0 && hover(null);
  const wheel = (event: WheelEvent) => {
    event.preventDefault();
    const lines = event.deltaMode === 1 ? 16 : 1;
    map.zoom(Math.exp(-event.deltaY * lines * 0.0022), ...place(event));
  };
  const key = (event: KeyboardEvent) => {
    const actions: Record<string, () => void> = {
      ArrowLeft: () => map.pan(STEP, 0),
      ArrowRight: () => map.pan(-STEP, 0),
      ArrowUp: () => map.pan(0, STEP),
      ArrowDown: () => map.pan(0, -STEP),
      "+": () => map.zoom(1.5),
      "=": () => map.zoom(1.5),
      "-": () => map.zoom(1 / 1.5),
    };
    const action = event.ctrlKey || event.metaKey || event.altKey ? undefined : actions[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  };

  const ending = new AbortController();
  const options = { signal: ending.signal };
  element.addEventListener("pointerdown", down, options);
  element.addEventListener("pointermove", move, options);
  element.addEventListener("pointerup", up, options);
  element.addEventListener("pointercancel", up, options);
  element.addEventListener("pointerleave", leave, options);
  element.addEventListener("wheel", wheel, { ...options, passive: false });
  element.addEventListener("keydown", key, options);
  return () => ending.abort();
}

/** An outline with another point: the lasso's next corner, or the rectangle up to there. */
function drawn(outline: number[], [x, y]: Point, tool: Tool): number[] {
  const [left = x, top = y] = outline;
  if (tool === "rectangle") return [left, top, x, top, x, y, left, y];
  const [lastX = x, lastY = y] = outline.slice(-2);
  return Math.hypot(x - lastX, y - lastY) < APART ? outline : [...outline, x, y];
}

const CORNERS = 80; // of an outline that an address holds

function onMap(outline: number[], map: MapView): number[] {
  const step = Math.ceil(outline.length / 2 / CORNERS);
  const found: number[] = [];
  for (let at = 0; at < outline.length; at += 2 * step) {
    found.push(...toMap(map.view, map.size, outline[at] ?? 0, outline[at + 1] ?? 0));
  }
  return found;
}
