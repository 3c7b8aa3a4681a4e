import { Link, useParams } from "wouter";
import { type Unit, useIndex, useIndexDetail, useUnit } from "../api/microscope";
import { useSession } from "../api/queries";
import type { UnitFacts } from "../api/schema";
import { useAddress } from "../app/address";
import { neighbor, useKeys } from "../app/keys";
import { CopyButton } from "../parts/copy";
import { number, percent } from "../parts/words";
import { NoIndex, ScopeBar } from "../scope/bar";
import { Relations } from "../scope/connections";
import { ValueHistogram } from "../scope/histogram";
import { pages, unitName } from "../scope/links";
import { UnitNote } from "../scope/note";
import { Patches } from "../scope/patches";
import { UnitImages } from "../scope/unit_image";
import "../styles/microscope.css";
import "../styles/unit.css";

export default function UnitPage() {
  const { layer = "", channel = "" } = useParams<{ layer: string; channel: string }>();
  const unit: Unit = { layer, channel: Number(channel) };
  const { get, navigate } = useAddress();
  const session = useSession().data;
  const index = useIndex(get("index"));
  const detail = useIndexDetail(index?.id);
  const found = useUnit(index?.id, unit);
  const layers = detail.data?.layers ?? [];
  const here = layers.find(({ name }) => name === layer);
  const place = (step: number): Unit => ({
    layer,
    channel: here ? (unit.channel + step + here.channels) % here.channels : unit.channel,
  });
  const beside = (step: number): Unit => {
    const next = neighbor(layers, here, step);
    return next ? { layer: next.name, channel: Math.min(unit.channel, next.channels - 1) } : unit;
  };
  const go = (to: Unit) => index && navigate(pages.unit(index.id, to));
  useKeys({
    j: () => go(place(1)),
    k: () => go(place(-1)),
    "]": () => go(beside(1)),
    "[": () => go(beside(-1)),
  });
  if (!index) return <NoIndex asked={session !== undefined} />;
  const error = detail.error ?? found.error;
  const facts = found.data;
  return (
    <div className="scope">
      <ScopeBar index={index} page="units" />
      <header className="scope-head">
        <h1>{unitName(unit)}</h1>
        {facts && (
          <p className="quiet">
            channel {number(unit.channel)} of {number(facts.channels)}
            {facts.dead && <strong className="tile-dead"> · dead</strong>}
          </p>
        )}
        <p className="links scope-steps">
          <Link href={pages.unit(index.id, place(-1))}>← Previous (k)</Link>
          <Link href={pages.unit(index.id, place(1))}>Next (j) →</Link>
          <Link href={pages.layer(index.id, layer)}>All of {layer}</Link>
          <CopyButton text={() => window.location.href}>Copy link</CopyButton>
        </p>
      </header>
      {error && (
        <p role="alert" className="problem">
          {error.message}
        </p>
      )}
      {!facts && !error && (
        <p role="status" className="quiet">
          Asking for the unit…
        </p>
      )}
      {facts && detail.data && (
        <div className="unit" key={unitName(unit)}>
          <aside className="unit-side">
            <UnitImages index={index} unit={unit} facts={facts} />
            <Facts facts={facts} />
            <ValueHistogram
              edges={facts.edges}
              counts={facts.counts}
              label={`Values of ${unitName(unit)}`}
            />
            <UnitNote index={index.id} unit={unit} note={facts.note} />
          </aside>
          <div className="unit-main">
            <Patches index={index} detail={detail.data} unit={unit} facts={facts} />
            <Relations index={index} unit={unit} facts={facts} />
          </div>
        </div>
      )}
    </div>
  );
}

function Facts({ facts: { high, low, mean, sparsity } }: { facts: UnitFacts }) {
  const rows = [
    ["Highest value", number(high)],
    ["Lowest value", number(low)],
    ["Mean", number(mean)],
    ["Not above zero", percent(sparsity)],
  ] as const;
  return (
    <dl className="unit-facts">
      {rows.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
