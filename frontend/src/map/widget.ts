// The map in a notebook: the same drawing as that of the explorer, with controls of its own.

import { number } from "../parts/words";
import { whole } from "./camera";
import { type Coloring, colored, css, PATHS, plain } from "./colors";
import { type Column, columnOf, valueAt, valueText } from "./columns";
import { prefersStill } from "./flight";
import { handle, type Tool } from "./gestures";
import { MapView } from "./map_view";
import { laidOut } from "./places";
import { NoWebGL } from "./scene";
import { statesOf } from "./state";
import { Sheets, type WidgetModel } from "./widget_sheets";

interface SentColumn {
  name: string;
  title: string;
  kind: "words" | "numbers";
  data: DataView;
}

function buffer(view: DataView): ArrayBuffer {
  return view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength) as ArrayBuffer;
}

function element<T extends keyof HTMLElementTagNameMap>(
  tag: T,
  properties: Partial<HTMLElementTagNameMap[T]>,
  ...children: (Node | string)[]
): HTMLElementTagNameMap[T] {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

function render({ model, el }: { model: WidgetModel; el: HTMLElement }): () => void {
  const count = model.get("photographs") as number;
  const sent = model.get("columns") as SentColumn[];
  const columns = sent.map((one) => columnOf(one, count, buffer(one.data)));
  const page = layOut(columns, model.get("title") as string);
  el.append(page.whole);
  const sheets = new Sheets(model);
  const all = [...new Array(count).keys()];
  let coloring = plain(count);
  let tool: Tool = "move";
  let map: MapView | null = null;

  const look = () => {
    const chosen = model.get("selected") as number[];
    const states = statesOf(
      new Uint8Array(count).fill(1),
      new Uint8Array(count).fill(1),
      chosen.length > 0 ? new Set(chosen) : null,
    );
    page.status.textContent = `${number(chosen.length)} of ${number(count)} chosen`;
    page.clear.hidden = chosen.length === 0;
    return { colors: coloring.colors, kinds: coloring.kinds, states };
  };
  const paint = () => {
    const column = columns.find(({ name }) => name === model.get("color"));
    coloring = column ? colored(column, all) : plain(count);
    page.color.value = column?.name ?? "";
    page.legend.replaceChildren(...entries(coloring, column));
    map?.setLook(look());
  };
  const places = () => laidOut(new Float32Array(buffer(model.get("places") as DataView)));
  const choose = (rows: number[]) => {
    model.set("selected", rows);
    model.save_changes();
  };

  try {
    map = new MapView(page.canvas, places(), look(), sheets.load, {
      hover: (row, x, y) => void page.hover(row, x, y, columns, sheets),
      moved: () => {},
      rest: () => {},
    });
  } catch (error) {
    if (!(error instanceof NoWebGL)) throw error;
    page.status.textContent = "This browser draws no WebGL, so there is no map.";
    return () => page.whole.remove();
  }
  const drawn = map;
  const ending = handle(page.stage, drawn, {
    tool: () => tool,
    outline: page.outline,
    choose: (polygon) => choose(drawn.places.inside(polygon).sort((a, b) => a - b)),
    pick: (row) => row !== null && choose([row]),
  });
  const watch = new ResizeObserver(() => {
    const size = { width: page.stage.clientWidth, height: page.stage.clientHeight };
    const first = drawn.size.width === 1;
    drawn.resize(size, window.devicePixelRatio);
    if (first) drawn.look(whole(size));
  });
  watch.observe(page.stage);
  const themes = new MutationObserver(() => drawn.setPaper());
  themes.observe(document.body, { attributes: true });
  page.tool.addEventListener("change", () => {
    tool = page.tool.value as Tool;
  });
  page.color.addEventListener("change", () => {
    model.set("color", page.color.value);
    model.save_changes();
  });
  page.clear.addEventListener("click", () => choose([]));
  page.all.addEventListener("click", () => drawn.look(whole(drawn.size)));
  const fly = () => drawn.setPlaces(places(), prefersStill());
  const relook = () => drawn.setLook(look());
  model.on("change:places", fly);
  model.on("change:color", paint);
  model.on("change:selected", relook);
  paint();
  return () => {
    model.off("change:places", fly);
    model.off("change:color", paint);
    model.off("change:selected", relook);
    watch.disconnect();
    themes.disconnect();
    ending();
    sheets.close();
    drawn.close();
  };
}

function layOut(columns: readonly Column[], title: string) {
  const option = (value: string, textContent: string) => element("option", { value, textContent });
  const tool = element("select", {}, option("move", "Move"), option("lasso", "Lasso"));
  tool.append(option("rectangle", "Rectangle"));
  const shown = columns.filter(({ name }) => name !== "path");
  const color = element("select", {}, option("", "nothing"));
  color.append(...shown.map(({ name, title }) => option(name, title)));
  const all = element("button", { type: "button", textContent: "Show all" });
  const clear = element("button", { type: "button", textContent: "Clear" });
  const status = element("span", { role: "status" });
  const canvas = element("canvas", {});
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const polygon = document.createElementNS("http://www.w3.org/2000/svg", "polygon");
  svg.append(polygon);
  const picture = element("img", { alt: "", width: 96, height: 96 });
  const facts = element("span", {});
  const card = element("div", { className: "convscope-map-card", hidden: true }, picture, facts);
  const stage = element(
    "div",
    { className: "convscope-map-stage", tabIndex: 0 },
    canvas,
    svg,
    card,
  );
  stage.setAttribute("role", "application");
  stage.setAttribute("aria-label", `${title}. Arrow keys move the map, plus and minus zoom it.`);
  const legend = element("ul", { className: "convscope-map-legend" });
  const bar = element(
    "div",
    { className: "convscope-map-bar" },
    element("label", {}, "Drag to ", tool),
    element("label", {}, "Color by ", color),
    all,
    status,
    clear,
  );
  const whole = element("div", { className: "convscope-map" }, bar, stage, legend);
  let hovered: number | null = null;

  /** Show what is known of a photograph beside the pointer. */
  async function hover(
    row: number | null,
    x: number,
    y: number,
    known: readonly Column[],
    sheets: Sheets,
  ): Promise<void> {
    const same = row === hovered;
    hovered = row;
    card.hidden = row === null;
    if (row === null) return;
    card.style.translate = `${x > stage.clientWidth / 2 ? x - 300 : x + 14}px ${Math.min(y + 14, stage.clientHeight - 116)}px`;
    if (same) return;
    picture.removeAttribute("src");
    const said = known
      .filter(({ name }) => ["label", "prediction", "probability", "path"].includes(name))
      .map((column) => valueAt(column, row));
    facts.textContent = said.filter(Boolean).join("\n");
    const url = await sheets.picture(row);
    if (hovered === row) picture.src = url;
  }

  const outline = (points: readonly number[] | null) =>
    polygon.setAttribute("points", (points ?? []).join(" "));
  return { whole, stage, canvas, tool, color, all, clear, status, legend, hover, outline };
}

function entries({ entries, ends }: Coloring, column: Column | undefined): HTMLElement[] {
  if (ends && column) {
    return [
      element(
        "li",
        {},
        `${column.title}: ${ends.map((end) => valueText(column, end)).join(" to ")}`,
      ),
    ];
  }
  return entries.map(({ name, count, color, shape }) => {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
    svg.setAttribute("viewBox", "0 0 16 16");
    path.setAttribute("d", PATHS[shape]);
    path.setAttribute("fill", css(color));
    path.setAttribute("fill-rule", "evenodd");
    svg.append(path);
    return element("li", {}, svg as unknown as HTMLElement, `${name} (${number(count)})`);
  });
}

export default { render };
