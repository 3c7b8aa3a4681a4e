import { type ReactNode, useEffect, useRef, useState } from "react";
import { useTheme } from "../app/theme";
import type { LoadSheet } from "./atlas";
import { read, toScreen, written } from "./camera";
import { prefersStill } from "./flight";
import { handle, type Tool } from "./gestures";
import { MapView } from "./map_view";
import type { Places } from "./places";
import { type Look, NoWebGL } from "./scene";

export interface Hover {
  row: number;
  x: number;
  y: number;
}

interface Props {
  name: string;
  places: Places;
  look: Look;
  load: LoadSheet;
  tool: Tool;
  /** What is seen at first, as the address has it. */
  view: string | null;
  /** The photograph that is marked. */
  marked: number | null;
  onHover: (hover: Hover | null) => void;
  onPick: (row: number | null) => void;
  onChoose: (polygon: number[]) => void;
  onRest: (view: string, inView: number[]) => void;
  onMissing: () => void;
  onReady: (map: MapView) => void;
  children?: ReactNode;
}

/** The drawn map, which pointers, the wheel and keys move. */
export function MapCanvas(props: Props) {
  const { places, look, marked, children } = props;
  const stage = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const mark = useRef<HTMLSpanElement>(null);
  const theme = useTheme();
  const [map, setMap] = useState<MapView | null>(null);
  const [outline, setOutline] = useState<readonly number[] | null>(null);
  const now = useRef(props);
  now.current = props;
  const place = useRef(() => {});
  place.current = () => {
    if (map) placeMark(mark.current, map, marked);
  };

  useEffect(() => {
    const [element, drawing] = [stage.current, canvas.current];
    if (!element || !drawing) return;
    const made = opened(drawing, now.current, {
      hover: (row, x, y) => now.current.onHover(row === null ? null : { row, x, y }),
      moved: () => {
        element.dataset.drawn = "";
        place.current();
      },
      rest: (view, size, inView) => now.current.onRest(written(view, size), inView),
    });
    if (made === null) return now.current.onMissing();
    const ending = handle(element, made, {
      tool: () => now.current.tool,
      outline: setOutline,
      choose: (polygon) => now.current.onChoose(polygon),
      pick: (row) => now.current.onPick(row),
    });
    let first = true;
    const watch = new ResizeObserver(() => {
      const size = { width: element.clientWidth, height: element.clientHeight };
      if (size.width === 0 || size.height === 0) return;
      made.resize(size, window.devicePixelRatio);
      if (first) made.look(read(now.current.view, size));
      first = false;
    });
    watch.observe(element);
    setMap(made);
    now.current.onReady(made);
    return () => {
      watch.disconnect();
      ending();
      made.close();
    };
  }, []);
  useEffect(() => map?.setPlaces(places, prefersStill()), [map, places]);
  useEffect(() => map?.setLook(look), [map, look]);
  useEffect(() => map?.setPaper(), [map, theme]); // a theme has a paper of its own
  useEffect(() => place.current());

  return (
    <div
      ref={stage}
      className="map-stage"
      role="application"
      // biome-ignore lint/a11y/noNoninteractiveTabindex: arrow keys move the map.
      tabIndex={0}
      aria-label={`${props.name}. Arrow keys move the map, plus and minus zoom it.`}
      data-tool={props.tool}
    >
      <canvas ref={canvas} className="map-canvas" />
      {outline && (
        <svg className="map-outline" aria-hidden="true">
          <polygon points={outline.join(" ")} />
        </svg>
      )}
      <span ref={mark} className="map-mark" hidden aria-hidden="true" />
      {children}
    </div>
  );
}

/** The map on a canvas; null where the browser draws no WebGL. */
function opened(
  canvas: HTMLCanvasElement,
  { places, look, load }: Props,
  listener: MapView["listener"],
): MapView | null {
  try {
    return new MapView(canvas, places, look, load, listener);
  } catch (error) {
    if (error instanceof NoWebGL) return null;
    throw error;
  }
}

function placeMark(mark: HTMLElement | null, map: MapView, row: number | null): void {
  if (!mark) return;
  mark.hidden = row === null;
  if (row === null) return;
  const [x, y] = toScreen(map.view, map.size, map.places.x(row), map.places.y(row));
  const side = Math.max(16, map.side + 6);
  mark.style.transform = `translate(${x - side / 2}px, ${y - side / 2}px)`;
  mark.style.width = mark.style.height = `${side}px`;
}
