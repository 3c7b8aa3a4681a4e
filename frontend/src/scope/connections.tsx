import { Link } from "wouter";
import { type Unit, useAlike, useConnections } from "../api/microscope";
import type { ClassValue, IndexInfo, UnitFacts, UnitValue } from "../api/schema";
import { Bars } from "../parts/bars";
import { number } from "../parts/words";
import { pages } from "./links";
import { UnitStrip } from "./units";

interface Props {
  index: IndexInfo;
  unit: Unit;
  facts: UnitFacts;
}

/** Which units are like a unit, what feeds it, what it feeds, and the classes that it pushes. */
export function Relations({ index, unit, facts }: Props) {
  const connections = useConnections(index.id, unit);
  const alike = useAlike(index.id, unit, facts.images.length);
  const found = connections.data;
  return (
    <>
      {connections.isPending && (
        <p role="status" className="quiet">
          Following the weights; this takes a moment the first time…
        </p>
      )}
      {connections.error && (
        <p role="alert" className="problem">
          {connections.error.message}
        </p>
      )}
      {found && found.up.length + found.down.length > 0 && (
        <section className="pushes" aria-label="Classes">
          <Classes title="Pushes up" index={index} classes={found.up} />
          <Classes title="Pushes down" index={index} classes={found.down} />
        </section>
      )}
      {found && (
        <>
          <Strip title="What feeds it" about={WEIGHTS} index={index} units={found.fed_by} />
          <Strip title="What it feeds" about={WEIGHTS} index={index} units={found.feeds} />
        </>
      )}
      <Strip
        title="Answers alike"
        about="the correlation of their highest values with this one's, over all photographs"
        index={index}
        units={facts.similar}
      />
      <Strip
        title="Looks alike"
        about="how alike the images are, of the units that have one"
        index={index}
        units={alike.data ?? []}
      />
    </>
  );
}

interface StripProps {
  title: string;
  /** What the numbers say. */
  about: string;
  index: IndexInfo;
  units: readonly UnitValue[];
}

const WEIGHTS = "the weights between them";

function Strip({ title, about, index, units }: StripProps) {
  if (units.length === 0) return null;
  return (
    <section aria-label={title}>
      <h2>
        {title}{" "}
        <small className="quiet">{[layersOf(units), about].filter(Boolean).join(": ")}</small>
      </h2>
      <UnitStrip
        index={index}
        units={units}
        label={title}
        note={(place) => number(units[place]?.value ?? 0)}
      />
    </section>
  );
}

/** The layer of units, where all are of one. */
function layersOf(units: readonly UnitValue[]): string {
  const layers = new Set(units.map(({ layer }) => layer));
  return layers.size === 1 ? `units of ${[...layers][0]}` : "";
}

interface ClassesProps {
  title: string;
  index: IndexInfo;
  classes: readonly ClassValue[];
}

function Classes({ title, index: { id }, classes }: ClassesProps) {
  return (
    <section>
      <h2>{title}</h2>
      <Bars bars={classes} label={title}>
        {(place) => {
          const { index, name } = classes[place] ?? { index: 0, name: "" };
          return (
            <Link className="clip" title={name} href={pages.pushing(id, index)}>
              {name}
            </Link>
          );
        }}
      </Bars>
    </section>
  );
}
