import { useEffect, useRef } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import type { CurvesPanel } from "../api/schema";
import { useTheme } from "../app/theme";
import { number } from "../parts/words";

// Lines differ by their dashes, too.
const DASHES = [[], [8, 4], [2, 3], [10, 3, 2, 3], [5, 5]];
const COLORS = 5;

function color(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function options(panel: CurvesPanel, names: string[], width: number): uPlot.Options {
  const axis = {
    stroke: color("--chart-ink"),
    grid: { stroke: color("--chart-line"), width: 1 },
    ticks: { stroke: color("--chart-line"), width: 1 },
    font: "12px system-ui, sans-serif",
    labelFont: "12px system-ui, sans-serif",
    labelSize: 18,
  };
  const faint = new Set(panel.faint ?? []);
  return {
    width,
    height: Math.max(180, Math.min(280, width * 0.5)),
    scales: { x: { time: false } },
    legend: { live: true },
    cursor: { y: false, points: { size: 6 } },
    axes: [
      { ...axis, label: panel.x_label, size: 30 },
      { ...axis, label: panel.y_label, size: 56 },
    ],
    series: [
      { label: panel.x_label, value: (_, value) => (value === null ? "" : number(value)) },
      ...names.map((name, index) => ({
        label: name,
        stroke: faint.has(name) ? color("--chart-faint") : color(`--chart-${index % COLORS}`),
        width: faint.has(name) ? 1 : 2,
        dash: DASHES[index % DASHES.length] ?? [],
        points: { show: panel.x.length < 2 },
        value: (_: uPlot, value: number | null) => (value === null ? "" : number(value)),
      })),
    ],
  };
}

/** Lines over common positions. */
export default function CurvesView({ panel }: { panel: CurvesPanel }) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const theme = useTheme();
  const names = Object.keys(panel.lines);
  const shape = JSON.stringify([names, panel.x_label, panel.y_label, panel.faint, theme]);
  const data: uPlot.AlignedData = [panel.x, ...names.map((name) => panel.lines[name] ?? [])];
  const latest = useRef({ panel, names, data });
  latest.current = { panel, names, data };

  useEffect(() => {
    const element = place.current;
    if (!element) return;
    const { panel, names, data } = latest.current;
    const made = new uPlot(options(panel, names, element.clientWidth), data, element);
    plot.current = made;
    const watch = new ResizeObserver(() => {
      made.setSize({ width: element.clientWidth, height: made.height });
    });
    watch.observe(element);
    return () => {
      watch.disconnect();
      made.destroy();
      plot.current = null;
    };
  }, [shape]);

  useEffect(() => {
    plot.current?.setData(data);
    plot.current?.setLegend({ idx: data[0].length - 1 });
  });

  const ends = names.map((name) => {
    const last = panel.lines[name]?.findLast((value) => value !== null);
    return last === undefined || last === null ? name : `${name} ${number(last)}`;
  });
  return (
    <div
      ref={place}
      className="curves"
      role="img"
      aria-label={`${panel.caption}: ${panel.y_label} over ${panel.x_label}; at the end ${ends.join(", ")}`}
    />
  );
}
