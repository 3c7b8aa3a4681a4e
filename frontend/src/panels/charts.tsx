import type { BarsPanel, HistogramPanel, MatrixPanel } from "../api/schema";
import { Bars } from "../parts/bars";
import { number } from "../parts/words";

export function BarsView({ panel }: { panel: BarsPanel }) {
  return (
    <>
      <Bars bars={panel.names.map((name, at) => ({ name, value: panel.values[at] ?? 0 }))} />
      <p className="quiet axis">{panel.label}</p>
    </>
  );
}

const WIDTH = 480;
const HEIGHT = 180;

export function HistogramView({ panel }: { panel: HistogramPanel }) {
  const first = panel.edges[0] ?? 0;
  const last = panel.edges.at(-1) ?? 1;
  const most = Math.max(...panel.counts, 1);
  const x = (value: number) => ((value - first) / (last - first || 1)) * WIDTH;
  const marks = panel.marks ?? [];
  const described = `${panel.caption}: ${panel.label} from ${number(first)} to ${number(last)}`;
  return (
    <div className="histogram">
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={described}>
        {panel.counts.map((count, index) => {
          const left = x(panel.edges[index] ?? 0);
          const right = x(panel.edges[index + 1] ?? 0);
          const height = (count / most) * HEIGHT;
          return (
            <rect
              key={left}
              x={left}
              y={HEIGHT - height}
              width={Math.max(0.5, right - left - 1)}
              height={height}
            />
          );
        })}
        {marks.map((mark) => (
          <line key={mark} x1={x(mark)} x2={x(mark)} y1="0" y2={HEIGHT} />
        ))}
      </svg>
      <p className="axis quiet">
        <span>{number(first)}</span>
        <span>
          {panel.label}
          {marks.length > 0 && `; line at ${marks.map(number).join(", ")}`}
        </span>
        <span>{number(last)}</span>
      </p>
    </div>
  );
}

export function MatrixView({ panel }: { panel: MatrixPanel }) {
  const most = Math.max(...panel.values.flat().map(Math.abs), Number.MIN_VALUE);
  const right = new Set((panel.right ?? []).map(String));
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reached by keys.
    <section className="matrix" tabIndex={0} aria-label={panel.caption || panel.row_label}>
      <table>
        <thead>
          <tr>
            <th scope="col" className="quiet">
              {panel.row_label} \ {panel.column_label}
            </th>
            {panel.columns.map((column) => (
              <th key={column} scope="col">
                {column}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {panel.values.map((row, index) => (
            <tr key={panel.rows[index]}>
              <th scope="row">{panel.rows[index]}</th>
              {row.map((value, column) => (
                <td
                  key={panel.columns[column]}
                  data-right={right.has(`${index},${column}`) || undefined}
                >
                  <span
                    className="matrix-value"
                    style={{ opacity: (Math.abs(value) / most) * 0.35 }}
                  />
                  {number(value)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
