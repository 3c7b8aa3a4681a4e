import { useMemo, useRef } from "react";
import { Link } from "wouter";
import { files, type Unit } from "../api/microscope";
import type { IndexInfo } from "../api/schema";
import { pages, unitName } from "./links";
import { COLUMNS, SheetTile, useNear } from "./tile";

interface Props {
  index: IndexInfo;
  units: readonly Unit[];
  /** What stands below a unit's name. */
  note: (place: number) => string;
  label: string;
}

const MOST = 64;

/** Units as tiles of their strongest patches, in a row that wraps. */
export function UnitStrip({ index, units, note, label }: Props) {
  const mixed = units.some(({ layer }) => layer !== units[0]?.layer);
  const list = useRef<HTMLUListElement>(null);
  const near = useNear(list);
  const channels = useMemo(() => byLayer(units), [units]);
  return (
    <ul className="strip" aria-label={label} ref={list}>
      {units.map((unit, place) => {
        const all = channels.get(unit.layer) ?? [];
        return (
          <li key={unitName(unit)}>
            <Link
              href={pages.unit(index.id, unit)}
              className="unit-tile"
              aria-label={`${unitName(unit)}, ${note(place)}`}
              title={unitName(unit)}
            >
              <SheetTile
                sheet={near ? files.patches(index, unit.layer, all) : null}
                place={all.indexOf(unit.channel)}
                columns={Math.min(COLUMNS, all.length)}
                count={all.length}
              />
              <span className="tile-name clip">
                {unit.channel}
                {mixed && <span className="quiet tile-layer"> {unit.layer}</span>}
              </span>
              <span className="tile-note quiet clip">{note(place)}</span>
            </Link>
          </li>
        );
      })}
    </ul>
  );
}

/** The channels of each layer: one sheet shows them all. */
function byLayer(units: readonly Unit[]): Map<string, number[]> {
  const found = new Map<string, number[]>();
  for (const { layer, channel } of units) {
    const channels = found.get(layer) ?? [];
    if (channels.length < MOST && !channels.includes(channel)) channels.push(channel);
    found.set(layer, channels);
  }
  return found;
}
