import { Link } from "wouter";
import { files } from "../api/microscope";
import type { IndexInfo } from "../api/schema";
import { pages } from "../scope/links";
import { SheetTile } from "../scope/tile";
import "../styles/microscope.css";

interface Props {
  index: IndexInfo;
  name: string;
  rows: readonly number[];
}

/** The photographs behind a tile, each a link to its page. */
export default function Behind({ index, name, rows }: Props) {
  const label = name ? `Photographs behind ${name}` : "Photographs behind the tile";
  return (
    <section aria-label={label}>
      <p role="status">{label}</p>
      <ul className="strip">
        {rows.map((row, place) => (
          <li key={row}>
            <Link
              href={pages.photograph(index.id, row)}
              className="unit-tile"
              aria-label={`Photograph ${row}`}
            >
              <SheetTile
                sheet={files.photographs(index, rows)}
                place={place}
                columns={Math.ceil(Math.sqrt(rows.length))}
                count={rows.length}
              />
            </Link>
          </li>
        ))}
      </ul>
    </section>
  );
}
