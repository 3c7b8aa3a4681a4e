import type { ReactNode } from "react";
import { blobUrl } from "../api/client";
import type { FrameInfo } from "../api/schema";
import { PanelView } from "../panels/panel";
import type { PanelContext } from "../panels/types";
import { number } from "../parts/words";

interface Props {
  run: string;
  frame: FrameInfo;
  context: Omit<PanelContext, "blob">;
  /** What stands beside the first panel. */
  children?: ReactNode;
}

/** The panels of a frame. */
export function FrameView({ run, frame, context, children }: Props) {
  const all = {
    ...context,
    score: scored(frame),
    blob: (blob: number) => blobUrl(run, frame.number, blob),
  };
  const panels = frame.panels.map((panel, index) => (
    <PanelView key={index} panel={panel} context={all} />
  ));
  const count = panels.length + (children ? 1 : 0);
  return (
    <div className="panels" data-count={Math.min(count, 4)}>
      {panels[0]}
      {children}
      {panels.slice(1)}
    </div>
  );
}

export function scored({ score }: FrameInfo): string {
  return score?.length ? `score ${score.map(number).join(", ")}` : "";
}

export function hasOverlay(frame: FrameInfo): boolean {
  return frame.panels.some(
    (panel) =>
      (panel.kind === "heatmap" && panel.photo != null) ||
      (panel.kind === "sheet" && panel.maps.some((map) => map.photo != null)),
  );
}
