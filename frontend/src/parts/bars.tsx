import type { ReactNode } from "react";
import { number } from "./words";

interface Props {
  bars: readonly { name: string; value: number }[];
  label?: string;
  /** What stands before a bar, instead of its name alone. */
  children?: (place: number) => ReactNode;
}

/** Named numbers, each with a bar as long as it is large; the negative ones look different. */
export function Bars({ bars, label, children }: Props) {
  const most = Math.max(...bars.map(({ value }) => Math.abs(value)), Number.MIN_VALUE);
  return (
    <ol className="bars" aria-label={label}>
      {bars.map(({ name, value }, place) => (
        <li key={place}>
          {children?.(place) ?? (
            <span className="clip" title={name}>
              {name}
            </span>
          )}
          <span className="bar" aria-hidden="true">
            <span
              data-negative={value < 0 || undefined}
              style={{ width: `${(Math.abs(value) / most) * 100}%` }}
            />
          </span>
          <span className="figure">{number(value)}</span>
        </li>
      ))}
    </ol>
  );
}
