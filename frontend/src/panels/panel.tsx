import { lazy, Suspense } from "react";
import { BarsView, HistogramView, MatrixView } from "./charts";
import { GridView } from "./grid";
import { HeatmapView, SheetView } from "./heatmap";
import { MosaicView } from "./mosaic";
import { PictureView } from "./picture";
import type { PanelContext, PanelInfo } from "./types";

const CurvesView = lazy(() => import("./curves"));

/** One panel of a frame, whatever its kind. */
export function PanelView({ panel, context }: { panel: PanelInfo; context: PanelContext }) {
  return (
    <figure className={`panel panel-${panel.kind}`}>
      <Body panel={panel} context={context} />
      {panel.caption && <figcaption>{panel.caption}</figcaption>}
    </figure>
  );
}

function Body({ panel, context }: { panel: PanelInfo; context: PanelContext }) {
  switch (panel.kind) {
    case "picture":
      return <PictureView panel={panel} context={context} />;
    case "heatmap":
      return <HeatmapView panel={panel} context={context} />;
    case "grid":
      return <GridView panel={panel} context={context} />;
    case "sheet":
      return <SheetView panel={panel} context={context} />;
    case "mosaic":
      return <MosaicView panel={panel} context={context} />;
    case "bars":
      return <BarsView panel={panel} />;
    case "histogram":
      return <HistogramView panel={panel} />;
    case "matrix":
      return <MatrixView panel={panel} />;
    case "curves":
      return (
        <Suspense fallback={<div className="curves" />}>
          <CurvesView panel={panel} />
        </Suspense>
      );
  }
}
