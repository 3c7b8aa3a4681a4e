import { number } from "../parts/words";
import { type Coloring, css, type Entry, gradient, PATHS } from "./colors";
import { type Column, valueText } from "./columns";

export function Glyph({ color, shape }: Pick<Entry, "color" | "shape">) {
  return (
    <svg viewBox="0 0 16 16" width="13" height="13" aria-hidden="true">
      <path d={PATHS[shape]} fill={css(color)} fillRule="evenodd" />
    </svg>
  );
}

interface Props {
  column: Column;
  coloring: Coloring;
  /** The words that the filter keeps. */
  kept: readonly string[];
  onWord: (word: string) => void;
}

/** What the colors and shapes mean. A press on a word shows only the photographs that have it, one on
 * the title folds the legend, which lies over the map. */
export function Legend({ column, coloring, kept, onWord }: Props) {
  const { entries, ends } = coloring;
  return (
    <section className="map-legend" aria-label={`Legend: ${column.title}`}>
      <details open>
        <summary>
          <h2>{column.title}</h2>
        </summary>
        {ends && (
          <div className="map-scale">
            <span className="map-ramp" aria-hidden="true" style={{ background: gradient }} />
            <span>{valueText(column, ends[0])}</span>
            <span>{valueText(column, ends[1])}</span>
          </div>
        )}
        <ul>
          {entries.map((entry) => (
            <li key={entry.word ?? -1}>
              {entry.word === null ? (
                <span className="map-entry quiet">
                  <Glyph {...entry} />
                  <span className="clip">{entry.name}</span>
                  <span className="map-count">{number(entry.count)}</span>
                </span>
              ) : (
                <button
                  type="button"
                  className="map-entry"
                  aria-pressed={kept.includes(entry.name)}
                  onClick={() => onWord(entry.name)}
                >
                  <Glyph {...entry} />
                  <span className="clip" title={entry.name}>
                    {entry.name}
                  </span>
                  <span className="map-count">{number(entry.count)}</span>
                </button>
              )}
            </li>
          ))}
        </ul>
      </details>
    </section>
  );
}
