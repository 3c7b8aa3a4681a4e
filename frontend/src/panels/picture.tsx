import type { PicturePanel } from "../api/schema";
import { SteadyImage } from "../parts/photo";
import { boxOf, type PanelContext, placeOf, told } from "./types";

/** A photograph. What the network did not see is dimmed. */
export function PictureView({ panel, context }: { panel: PicturePanel; context: PanelContext }) {
  const [left, top, right, bottom] = boxOf(panel);
  const { onPlace } = context;
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the form's field "target" does the same by keys.
    // biome-ignore lint/a11y/noStaticElementInteractions: as above.
    <div
      className="photo"
      data-pick={onPlace && panel.box ? true : undefined}
      style={{ aspectRatio: `${panel.width} / ${panel.height}` }}
      onClick={(event) => {
        const place = placeOf(event, event.currentTarget);
        const x = (place.x - left) / (right - left);
        const y = (place.y - top) / (bottom - top);
        if (panel.box && x >= 0 && x < 1 && y >= 0 && y < 1) onPlace?.({ x, y });
      }}
    >
      <SteadyImage
        src={context.blob(panel.blob)}
        alt={told(panel.caption, context)}
        width={panel.width}
        height={panel.height}
        className={panel.enlarge ? "pixels" : ""}
      />
      {panel.box && (
        <span
          className="seen"
          style={{
            left: `${left * 100}%`,
            top: `${top * 100}%`,
            width: `${(right - left) * 100}%`,
            height: `${(bottom - top) * 100}%`,
          }}
        />
      )}
    </div>
  );
}
