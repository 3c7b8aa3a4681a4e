import { type RefObject, useMemo, useState } from "react";
import { files } from "../api/microscope";
import type { MapInfo } from "../api/schema";
import { number, percent } from "../parts/words";
import { type Hover, MapCanvas } from "./canvas";
import { Card, Facts } from "./card";
import type { Shown } from "./chosen";
import type { Column } from "./columns";
import { loadSheet, ORDER, usePlaces } from "./data";
import { toggled, wordsOf } from "./filters";
import type { Tool } from "./gestures";
import { Legend } from "./legend";
import { Making } from "./making";
import type { MapView } from "./map_view";
import type { Wanted } from "./wanted";

interface Props {
  info: MapInfo;
  wanted: Wanted;
  columns: ReadonlyMap<string, Column>;
  shown: Shown;
  /** The photograph of the list that is marked on the map. */
  active: number | null;
  tool: Tool;
  onTool: (tool: Tool) => void;
  drawn: boolean;
  onMissing: () => void;
  onInView: (rows: number[]) => void;
  view: RefObject<MapView | null>;
}

/** The map with what is said over it: legend, card, how far it can be believed. */
export function Stage(props: Props) {
  const { info, wanted, columns, shown, drawn, view } = props;
  const [hover, setHover] = useState<Hover | null>(null);
  const layout = info.layouts.find(({ method }) => method === wanted.layout);
  const method = layout && !layout.made ? ORDER : wanted.layout;
  const places = usePlaces(info, method);
  const load = useMemo(() => loadSheet(info), [info]);
  const colored = columns.get(wanted.color ?? "");
  const { row, filter } = wanted;
  return (
    <div className="map-main">
      {places.data && drawn && (
        <MapCanvas
          name={`Map of ${info.name}`}
          places={places.data}
          look={shown.look}
          load={load}
          tool={props.tool}
          view={wanted.view}
          marked={props.active ?? hover?.row ?? row}
          onHover={setHover}
          onPick={wanted.setRow}
          onChoose={(polygon) => {
            wanted.choose({ kind: "area", layout: method, polygon });
            props.onTool("move");
          }}
          onRest={(text, rows) => {
            props.onInView(rows);
            if (text !== wanted.view) wanted.setView(text);
          }}
          onMissing={props.onMissing}
          onReady={(ready) => {
            view.current = ready;
          }}
        >
          {hover && <HoverCard hover={hover} columns={columns} info={info} view={view.current} />}
        </MapCanvas>
      )}
      {!drawn && (
        <p className="map-without" role="status">
          This browser draws no WebGL, so there is no map: all photographs are listed.
        </p>
      )}
      {places.error && (
        <p role="alert" className="problem map-without">
          {places.error.message}
        </p>
      )}
      {layout && !layout.made && <Making info={info} layout={layout} />}
      {colored && (
        <Legend
          column={colored}
          coloring={shown.coloring}
          kept={wordsOf(filter[colored.name])}
          onWord={(word) => {
            const words = toggled(wordsOf(filter[colored.name]), word);
            wanted.setFilter({ ...filter, [colored.name]: { words } });
          }}
        />
      )}
      {row !== null && (
        <Card
          row={row}
          columns={columns}
          index={info.id}
          picture={files.photographs(info, [row])}
          onNear={(space) => wanted.choose({ kind: "near", space, row })}
          onClose={() => wanted.setRow(null)}
        />
      )}
      {layout?.made && drawn && <p className="map-notes quiet">{told(layout)}</p>}
    </div>
  );
}

interface HoverProps {
  hover: Hover;
  columns: ReadonlyMap<string, Column>;
  info: MapInfo;
  view: MapView | null;
}

/** What lies under the pointer, on the side where there is room. */
function HoverCard({ hover: { row, x, y }, columns, info, view }: HoverProps) {
  const { width, height } = view?.size ?? { width: 0, height: 0 };
  return (
    <div
      className="map-hover"
      data-row={row}
      data-left={x > width / 2 ? "" : undefined}
      data-up={y > height / 2 ? "" : undefined}
      style={{ left: `${x}px`, top: `${y}px` }}
    >
      {/* Another row is another element: one that is reused shows the old image for a while. */}
      <img key={row} src={files.photographs(info, [row])} alt="" width="96" height="96" />
      <Facts row={row} columns={columns} />
    </div>
  );
}

/** How far a layout can be believed, and all that differs from what a reader may expect. */
function told(layout: MapInfo["layouts"][number]): string {
  const figures = [
    `${layout.title}: trustworthiness ${number(layout.trustworthiness ?? 0)}`,
    `${percent(layout.recall ?? 0)} of the ten nearest stay near`,
  ];
  return [...figures, ...layout.notes].join("; ");
}
