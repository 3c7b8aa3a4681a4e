import { type ReactNode, useRef } from "react";
import { Link } from "wouter";
import { files } from "../api/microscope";
import type { IndexInfo, PhotographName } from "../api/schema";
import { type Box, placed } from "../panels/types";
import { pages } from "./links";
import { SheetTile, useNear } from "./tile";

interface StripProps {
  index: IndexInfo;
  photographs: readonly PhotographName[];
  label: string;
  note?: (place: number) => string;
  /** Makes the tiles buttons. */
  onChoose?: (place: number) => void;
  chosen?: number;
}

/** Photographs as tiles, in a row that wraps. */
export function PhotographStrip({
  index,
  photographs,
  label,
  note = () => "",
  onChoose,
  chosen,
}: StripProps) {
  const list = useRef<HTMLUListElement>(null);
  const near = useNear(list);
  const rows = photographs.map(({ row }) => row);
  return (
    <ul className="strip" aria-label={label} ref={list}>
      {photographs.map((photograph, place) => {
        const inside = (
          <>
            <SheetTile
              sheet={near ? files.photographs(index, rows) : null}
              place={place}
              columns={Math.ceil(Math.sqrt(rows.length))}
              count={rows.length}
            />
            <span className="tile-name clip">{photograph.label ?? photograph.name}</span>
            <span className="tile-note quiet clip">{note(place) || photograph.name}</span>
          </>
        );
        return (
          <li key={photograph.row}>
            {onChoose ? (
              <button
                type="button"
                className="unit-tile"
                aria-pressed={place === chosen}
                onClick={() => onChoose(place)}
              >
                {inside}
              </button>
            ) : (
              <Link href={pages.photograph(index.id, photograph.row)} className="unit-tile">
                {inside}
              </Link>
            )}
          </li>
        );
      })}
    </ul>
  );
}

interface PhotographProps {
  index: IndexInfo;
  photograph: PhotographName;
  alt: string;
  /** The class whose map lies over it. */
  target?: number | null;
  opacity?: number;
  children?: ReactNode;
}

/** A photograph of the index, with the map of a class over it. */
export function PhotographView(props: PhotographProps) {
  const { index, photograph, alt, target = null, opacity = 0.85, children } = props;
  const { row, size, seen } = photograph;
  return (
    <div className="photo" style={{ aspectRatio: size.join(" / ") }}>
      <img
        src={files.photograph(index, row)}
        alt={alt}
        className={target === null ? "" : "below"}
      />
      {target !== null && (
        <span className="map" style={{ ...placed(seen as Box), opacity }}>
          <img src={files.map(index, row, target)} alt="" />
        </span>
      )}
      {children}
    </div>
  );
}
