import { number } from "../parts/words";

const WIDTH = 480;
const HEIGHT = 120;

interface Props {
  edges: readonly (number | null)[];
  counts: readonly number[];
  label: string;
}

/** How often a unit has which value. Bins are as wide as half precision makes them; so each has
 * the same place here, and the edges are told. Heights are logarithms. */
export function ValueHistogram({ edges, counts, label }: Props) {
  const most = Math.log1p(Math.max(...counts, 1));
  const step = WIDTH / Math.max(1, counts.length);
  const zero = edges.indexOf(0);
  return (
    <figure className="histogram">
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={label}>
        {counts.map((count, place) => {
          const height = (Math.log1p(count) / most) * HEIGHT;
          const range = `${told(edges[place])} to ${told(edges[place + 1])}`;
          return (
            <rect
              key={range}
              x={place * step}
              y={HEIGHT - height}
              width={Math.max(0.5, step - 1)}
              height={height}
            >
              <title>{`${range}: ${number(count)} values`}</title>
            </rect>
          );
        })}
        {zero > 0 && zero < counts.length && (
          <line x1={zero * step} x2={zero * step} y1="0" y2={HEIGHT} />
        )}
      </svg>
      <figcaption className="axis">
        <span>{told(edges[0])}</span>
        <span>logarithmic</span>
        <span>{told(edges.at(-1))}</span>
      </figcaption>
    </figure>
  );
}

const told = (edge: number | null | undefined) => (edge == null ? "∞" : number(edge));
