import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { files, refresh, scope, type Unit } from "../api/microscope";
import type { IndexInfo, UnitFacts } from "../api/schema";
import { Button } from "../parts/button";
import { number } from "../parts/words";

const MOST = 4;

interface Props {
  index: IndexInfo;
  unit: Unit;
  facts: UnitFacts;
}

/** The images of a unit: what excites it most. They are made when somebody asks. */
export function UnitImages({ index, unit, facts }: Props) {
  const [at, setAt] = useState(0);
  const make = useMutation({
    mutationFn: () => scope.makeImages(index.id, unit.layer, [unit.channel], facts.images.length),
    onSuccess: () => refresh(index.id, unit.layer),
  });
  const shown = facts.images[Math.min(at, facts.images.length - 1)];
  return (
    <section className="unit-images" aria-label="Image of the unit" aria-busy={make.isPending}>
      {shown ? (
        <figure>
          <img
            src={files.image(index, unit, shown.number)}
            alt={`What excites ${unit.layer}:${unit.channel} most`}
            width="256"
            height="256"
          />
          <figcaption>{told(shown)}</figcaption>
        </figure>
      ) : (
        <p className="tile-empty quiet">
          {make.isPending ? "The image is being made; this takes some seconds…" : "no image yet"}
        </p>
      )}
      {facts.images.length > 1 && (
        <ul className="unit-images-more">
          {facts.images.map(({ number: which }) => (
            <li key={which}>
              <button
                type="button"
                aria-pressed={which === shown?.number}
                aria-label={`Image ${which + 1}`}
                onClick={() => setAt(which)}
              >
                <img src={files.image(index, unit, which)} alt="" width="56" height="56" />
              </button>
            </li>
          ))}
        </ul>
      )}
      {facts.images.length < MOST && (
        <Button
          kind={shown ? "plain" : "main"}
          onPress={() => make.mutate()}
          isDisabled={make.isPending || facts.dead}
        >
          {make.isPending ? "Making it…" : shown ? "Make three different ones" : "Make its image"}
        </Button>
      )}
      {facts.dead && !shown && (
        <p className="quiet">The unit is dead: nothing excites it, so it has no image.</p>
      )}
      {make.error && (
        <p role="alert" className="problem">
          {make.error.message}
        </p>
      )}
    </section>
  );
}

function told({ multiple, activation }: UnitFacts["images"][number]): string {
  if (multiple != null && multiple > 0)
    return `It excites the unit ${number(multiple)} times as much as the strongest photograph.`;
  const rest = multiple == null ? "" : ": it does not excite the unit";
  return `The unit's highest value for it is ${number(activation)}${rest}.`;
}
