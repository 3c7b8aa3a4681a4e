import { lazy, Suspense, useState } from "react";
import { useSession } from "../api/queries";
import type { MosaicPanel } from "../api/schema";
import { SteadyImage } from "../parts/photo";
import { type Box, type PanelContext, placed, told } from "./types";

const Behind = lazy(() => import("./behind"));

/** Many small images, each where it belongs. A press on one shows the photographs behind it. */
export function MosaicView({ panel, context }: { panel: MosaicPanel; context: PanelContext }) {
  const [chosen, setChosen] = useState<number | null>(null);
  const indexes = useSession().data?.indexes ?? [];
  const index = panel.index && indexes.find((one) => panel.index?.startsWith(one.version));
  const tiles = index ? (panel.tiles ?? []) : [];
  const tile = chosen === null ? undefined : tiles[chosen];
  return (
    <>
      <div className="mosaic" style={{ aspectRatio: `${panel.width} / ${panel.height}` }}>
        <SteadyImage src={context.blob(panel.blob)} alt={told(panel.caption, context)} />
        {tiles.map(({ name, box }, place) => (
          <button
            key={place}
            type="button"
            aria-label={`${name || `Tile ${place + 1}`}: show its photographs`}
            aria-pressed={place === chosen}
            style={placed(box as Box)}
            onClick={() => setChosen(place === chosen ? null : place)}
          />
        ))}
      </div>
      {tiles.length > 0 && !tile && (
        <p className="quiet">Press a tile to see the photographs behind it.</p>
      )}
      {index && tile && (
        <Suspense fallback={null}>
          <Behind index={index} name={tile.name} rows={tile.photographs} />
        </Suspense>
      )}
    </>
  );
}
