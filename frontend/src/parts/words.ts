import type { RunInfo } from "../api/schema";

const COUNTS = new Intl.NumberFormat("en-US");
const MEASURES = new Intl.NumberFormat("en-US", { maximumSignificantDigits: 4 });

/** A number as a reader wants it: counts are exact, measures have few digits. */
export function number(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  if (Number.isInteger(value) && size < 1e9) return COUNTS.format(value);
  if (size < 1e-3 || size >= 1e6) return value.toExponential(2);
  return MEASURES.format(value);
}

const SHORT = new Intl.NumberFormat("en-US", { notation: "compact", maximumSignificantDigits: 3 });

/** A large count in short: "4.65M". */
export const short = (count: number): string => SHORT.format(count);

/** How far a run is, in steps. */
export const steps = ({ step, steps: all }: Pick<RunInfo, "step" | "steps">): string =>
  `step ${number(step)} of ${number(all)}`;

export const percent = (value: number): string =>
  value > 0 && value < 0.001
    ? "<\u00a00.1\u00a0%"
    : `${(value * 100).toFixed(value < 0.1 ? 1 : 0)}\u00a0%`;

export function duration(seconds: number): string {
  if (seconds < 1) return "less than 1 s";
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}

/** A value of a summary as text; lists and tables in the order that they come. */
export function text(value: unknown): string {
  if (typeof value === "number") return number(value);
  if (value === null || value === undefined) return "none";
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (Array.isArray(value)) return value.map(text).join(", ");
  if (typeof value === "object") {
    return Object.entries(value)
      .map(([name, part]) => `${name} ${text(part)}`)
      .join(", ");
  }
  return String(value);
}

export const STATES: Record<RunInfo["state"], string> = {
  waiting: "Waiting",
  running: "Running",
  paused: "Paused",
  done: "Done",
  canceled: "Canceled",
  failed: "Failed",
  crashed: "Crashed",
};

/** What a run waits for whose network the process that makes runs does not have yet. */
export const LOADING = "as soon as the process that makes runs has loaded the network";

export function spoken(name: string): string {
  const words = name.replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** What brings a run that ended early back into the queue. */
export const AGAIN: Partial<Record<RunInfo["state"], string>> = {
  canceled: "Resume",
  failed: "Run again",
  crashed: "Run again",
};
