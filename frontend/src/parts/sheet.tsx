import type { LiveFrame } from "../api/schema";
import { placeOf } from "../panels/types";
import { number } from "./words";

interface SheetProps {
  answer: LiveFrame;
  unit: number | null;
  onUnit: (unit: number) => void;
}

/** All channels of a layer; a press on one chooses it. */
export function Sheet({ answer, unit, onUnit }: SheetProps) {
  const { columns, channels, layer, strongest } = answer;
  const rows = Math.ceil(channels / columns);
  const chosen = unit ?? strongest?.[0] ?? 0;
  return (
    <section className="live-sheet" aria-label={`Activations of ${layer}`}>
      {/* biome-ignore lint/a11y/useKeyWithClickEvents: the keys j and k do the same. */}
      {/* biome-ignore lint/a11y/noStaticElementInteractions: as above. */}
      <div
        className="grid"
        data-pick
        onClick={(event) => {
          const { x, y } = placeOf(event, event.currentTarget);
          const index = Math.floor(y * rows) * columns + Math.floor(x * columns);
          if (index < channels) onUnit(index);
        }}
      >
        <img
          className="pixels"
          src={`data:image/png;base64,${answer.sheet}`}
          alt={`${number(channels)} channels of ${layer}`}
        />
        <span
          className="grid-tile"
          style={{
            left: `${((chosen % columns) / columns) * 100}%`,
            top: `${(Math.floor(chosen / columns) / rows) * 100}%`,
            width: `${100 / columns}%`,
            height: `${100 / rows}%`,
          }}
        />
      </div>
      <p className="quiet" role="status">
        {unit === null ? `Strongest: unit ${chosen}` : `Unit ${chosen}`} of {number(channels)} (j
        and k)
      </p>
    </section>
  );
}
