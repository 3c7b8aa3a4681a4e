/** What part of the map is seen: the place in the middle, and how many pixels a unit has. */
export interface View {
  x: number;
  y: number;
  scale: number;
}

export interface Size {
  width: number;
  height: number;
}

const MARGIN = 0.94;
export const DEEPEST = 4000; // times the view of everything

/** All of the map. */
export function whole({ width, height }: Size): View {
  return { x: 0.5, y: 0.5, scale: Math.max(1, MARGIN * Math.min(width, height)) };
}

export function toScreen(view: View, size: Size, x: number, y: number): [number, number] {
  return [(x - view.x) * view.scale + size.width / 2, (y - view.y) * view.scale + size.height / 2];
}

export function toMap(view: View, size: Size, x: number, y: number): [number, number] {
  return [(x - size.width / 2) / view.scale + view.x, (y - size.height / 2) / view.scale + view.y];
}

/** The view closer by a factor, where the place under a point of the screen stays. */
export function closer(view: View, size: Size, factor: number, x: number, y: number): View {
  const least = whole(size).scale;
  const scale = Math.min(DEEPEST * least, Math.max(least / 4, view.scale * factor));
  const [mapX, mapY] = toMap(view, size, x, y);
  return {
    x: mapX - (x - size.width / 2) / scale,
    y: mapY - (y - size.height / 2) / scale,
    scale,
  };
}

/** A view as text for the address, whatever the size of the window. */
export function written(view: View, size: Size): string {
  const zoom = view.scale / whole(size).scale;
  return [view.x.toFixed(4), view.y.toFixed(4), zoom.toPrecision(4)].join(",");
}

export function read(text: string | null, size: Size): View {
  const [x, y, zoom] = (text ?? "").split(",").map(Number);
  if (x === undefined || y === undefined || !zoom || !Number.isFinite(x + y + zoom)) {
    return whole(size);
  }
  return { x, y, scale: zoom * whole(size).scale };
}
