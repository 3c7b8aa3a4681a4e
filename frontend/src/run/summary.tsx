import type { FrameInfo } from "../api/schema";
import { number, spoken, text } from "../parts/words";

type Row = Record<string, unknown>;

/** The numbers that a person would quote; lists of them as tables. */
export function Summary({ frame }: { frame: FrameInfo }) {
  const given = Object.entries(frame.summary ?? {}).filter(([, value]) => !isEmpty(value));
  const scores = "score" in (frame.summary ?? {}) ? [] : (frame.score ?? []);
  const tables = given.filter((entry): entry is [string, Row[]] => isTable(entry[1]));
  const facts = given.filter(([, value]) => !isTable(value));
  if (given.length === 0 && scores.length === 0) return null;
  return (
    <>
      <dl className="summary">
        {scores.length > 0 && <Fact name="score" value={scores.map(number).join(", ")} />}
        {facts.map(([name, value]) => (
          <Fact key={name} name={name} value={text(value)} />
        ))}
      </dl>
      {tables.map(([name, rows]) => (
        <Table key={name} name={spoken(name)} rows={rows} />
      ))}
    </>
  );
}

function Fact({ name, value }: { name: string; value: string }) {
  return (
    <div>
      <dt>{spoken(name)}</dt>
      <dd>{value}</dd>
    </div>
  );
}

function Table({ name, rows }: { name: string; rows: Row[] }) {
  const columns = Object.keys(rows[0] ?? {});
  return (
    <details>
      <summary>
        {name} ({rows.length})
      </summary>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keys. */}
      <section className="matrix" tabIndex={0} aria-label={name}>
        <table>
          <thead>
            <tr>
              {columns.map((column) => (
                <th key={column} scope="col">
                  {spoken(column)}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.map((row, index) => (
              <tr key={`${index} ${text(row)}`}>
                {columns.map((column) => (
                  <td key={column}>{text(row[column])}</td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </section>
    </details>
  );
}

const isEmpty = (value: unknown) => value === null || text(value) === "";

function isTable(value: unknown): value is Row[] {
  return (
    Array.isArray(value) &&
    value.every((row) => typeof row === "object" && row !== null && !Array.isArray(row))
  );
}
