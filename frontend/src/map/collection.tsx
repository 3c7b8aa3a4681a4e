import { useMemo, useRef, useState } from "react";
import type { IndexInfo, MapInfo } from "../api/schema";
import { whole } from "./camera";
import { listed, useShown } from "./chosen";
import { useColumns } from "./data";
import { Filters } from "./filters";
import type { Tool } from "./gestures";
import type { MapView } from "./map_view";
import { Side } from "./side";
import { Stage } from "./stage";
import { Bar } from "./tools";
import { useWanted, type Wanted } from "./wanted";

// Columns that the page always shows.
const BASIC = ["label", "prediction", "probability", "outcome", "path"];

interface Props {
  info: MapInfo;
  indexes: IndexInfo[];
  onIndex: (id: string) => void;
}

/** A collection: its map, and the photographs that are seen or chosen. */
export function Collection({ info, indexes, onIndex }: Props) {
  const wanted = useWanted(info);
  const [filtering, setFiltering] = useState(false);
  const [active, setActive] = useState<number | null>(null);
  const [inView, setInView] = useState<number[]>([]);
  const [drawn, setDrawn] = useState(true);
  const [tool, setTool] = useState<Tool>("move");
  const view = useRef<MapView | null>(null);
  const columns = useNeeded(info, wanted);
  const shown = useShown(info, columns, wanted);
  const { sort, down, only } = wanted;
  const rows = useMemo(
    () => listed(shown, drawn ? inView : shown.found, columns.get(sort ?? ""), wanted),
    [shown, drawn, inView, columns, sort, down, only],
  );
  return (
    <div className="map-page" data-drawn={drawn}>
      <Bar
        info={info}
        indexes={indexes}
        onIndex={onIndex}
        wanted={wanted}
        tool={drawn ? tool : null}
        onTool={setTool}
        onFilter={() => setFiltering(true)}
        onWhole={() => view.current?.look(whole(view.current.size))}
        onZoom={(factor) => view.current?.zoom(factor)}
      />
      <Filters
        info={info}
        filter={wanted.filter}
        onChange={wanted.setFilter}
        isOpen={filtering}
        onOpenChange={setFiltering}
      />
      <Stage
        info={info}
        wanted={wanted}
        columns={columns}
        shown={shown}
        active={active}
        tool={tool}
        onTool={setTool}
        drawn={drawn}
        onMissing={() => setDrawn(false)}
        onInView={(next) => setInView((before) => (same(before, next) ? before : next))}
        view={view}
      />
      <Side
        info={info}
        wanted={wanted}
        columns={columns}
        chosen={shown.chosen}
        problem={shown.problem}
        rows={rows}
        drawn={drawn}
        onActive={setActive}
      />
    </div>
  );
}

/** Whether two lists have the same rows, so that nothing need be listed anew. */
const same = (one: readonly number[], other: readonly number[]) =>
  one.length === other.length && one.every((row, place) => row === other[place]);

/** The columns that are shown, colored, sorted or filtered by. */
function useNeeded(info: MapInfo, { color, sort, filter }: Wanted) {
  const names = info.columns
    .map(({ name }) => name)
    .filter((name) => BASIC.includes(name) || name === color || name === sort || name in filter);
  return useColumns(info, names);
}
