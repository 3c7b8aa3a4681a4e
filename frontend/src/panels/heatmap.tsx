import { Fragment, useEffect, useRef, useState } from "react";
import type { HeatmapPanel, SheetPanel } from "../api/schema";
import { SteadyImage } from "../parts/photo";
import { number } from "../parts/words";
import { boxOf, type PanelContext, type Place, placeOf, type Scale, told } from "./types";
import { paint, useValues, valueAt } from "./values";

interface Props {
  panel: HeatmapPanel;
  context: PanelContext;
}

/** A map over its photograph. The pointer reads its values; a press picks a place. */
export function HeatmapView({ panel, context }: Props) {
  const [left, top, right, bottom] = boxOf(panel);
  const [place, setPlace] = useState<Place | null>(null);
  const values = useValues(context.blob(panel.values), place !== null || context.scale !== null);
  const alone = panel.photo === null || panel.photo === undefined;
  const read = values && place ? valueAt(panel, values, place) : null;
  return (
    <>
      <div className="photo" style={{ aspectRatio: `${panel.width} / ${panel.height}` }}>
        {!alone && <SteadyImage className="below" src={context.blob(panel.photo ?? 0)} alt="" />}
        {/* biome-ignore lint/a11y/useKeyWithClickEvents: the field "target" does it by keys. */}
        <div
          role="img"
          aria-label={`${told(panel.caption, context)}, ${panel.label} from ${number(panel.low)} to ${number(panel.high)}`}
          className="map"
          data-pick={context.onPlace ? true : undefined}
          style={{
            left: `${left * 100}%`,
            top: `${top * 100}%`,
            width: `${(right - left) * 100}%`,
            height: `${(bottom - top) * 100}%`,
            opacity: alone ? 1 : context.opacity,
          }}
          onPointerMove={(event) => setPlace(placeOf(event, event.currentTarget))}
          onPointerLeave={() => setPlace(null)}
          onClick={(event) => context.onPlace?.(placeOf(event, event.currentTarget))}
        >
          {context.scale && values ? (
            <Canvas panel={panel} values={values} scale={context.scale} />
          ) : (
            <SteadyImage
              src={context.blob(panel.overlay)}
              alt=""
              className={alone ? "pixels" : ""}
            />
          )}
        </div>
        {read && place && (
          <span
            className="reading"
            style={{
              left: `${(left + place.x * (right - left)) * 100}%`,
              top: `${(top + place.y * (bottom - top)) * 100}%`,
            }}
            data-right={place.x > 0.6 || undefined}
          >
            {number(read.value)}
            <small>
              {" "}
              row {read.row}, column {read.column}
            </small>
          </span>
        )}
      </div>
      <ColorBar panel={panel} scale={context.scale ?? panel} />
    </>
  );
}

function Canvas({
  panel,
  values,
  scale,
}: {
  panel: HeatmapPanel;
  values: Float32Array;
  scale: Scale;
}) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const { low, high } = scale;
  useEffect(() => {
    if (canvas.current) paint(canvas.current, panel, values, { low, high });
  }, [panel, values, low, high]);
  return <canvas ref={canvas} />;
}

function ColorBar({ panel, scale }: { panel: HeatmapPanel; scale: Scale }) {
  return (
    <div className="color-bar" aria-hidden="true">
      <span>{number(scale.low)}</span>
      <span
        className="color-bar-colors"
        style={{ backgroundImage: `linear-gradient(to right, ${panel.colors.join(", ")})` }}
      />
      <span>{number(scale.high)}</span>
      <span className="quiet">{panel.label}</span>
    </div>
  );
}

/** Many maps in rows and columns. */
export function SheetView({ panel, context }: { panel: SheetPanel; context: PanelContext }) {
  const columns = panel.columns ?? Math.min(4, panel.maps.length);
  return (
    <div className="sheet" style={{ gridTemplateColumns: `repeat(${columns}, minmax(8rem, 1fr))` }}>
      {panel.maps.map((map, index) => (
        <Fragment key={`${map.caption}${map.overlay}`}>
          {index % columns === 0 && panel.rows?.[index / columns] && (
            <strong className="sheet-row">{panel.rows[index / columns]}</strong>
          )}
          <figure>
            <HeatmapView panel={map} context={context} />
            <figcaption>{map.caption}</figcaption>
          </figure>
        </Fragment>
      ))}
    </div>
  );
}
