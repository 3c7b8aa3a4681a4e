import { useState } from "react";
import { Link } from "wouter";
import { useConfusions, useIndex } from "../api/microscope";
import { useSession } from "../api/queries";
import type { ConfusedPair, IndexInfo } from "../api/schema";
import { useAddress } from "../app/address";
import { Button } from "../parts/button";
import { TextBox } from "../parts/fields";
import { number } from "../parts/words";
import { NoIndex, ScopeBar } from "../scope/bar";
import { Parts } from "../scope/decided";
import { pages } from "../scope/links";
import { PhotographStrip, PhotographView } from "../scope/photographs";
import "../styles/microscope.css";
import "../styles/photograph.css";

const STEP = 8;

export default function ConfusionsPage() {
  const { get, change } = useAddress();
  const session = useSession().data;
  const index = useIndex(get("index"));
  const found = useConfusions(index?.id);
  const [most, setMost] = useState(STEP);
  if (!index) return <NoIndex asked={session !== undefined} />;
  const find = (get("find") ?? "").toLowerCase();
  const all = found.data ?? [];
  const pairs = all.filter(({ label, prediction }) =>
    `${label} ${prediction}`.toLowerCase().includes(find),
  );
  const mistakes = all.reduce((sum, { photographs }) => sum + photographs.length, 0);
  // Labels that are no classes of the network are compared with the means of their embeddings.
  const by = all.some(({ numbers }) => numbers === null) ? " by the nearest mean embedding" : "";
  return (
    <div className="scope">
      <ScopeBar index={index} page="confusions" />
      <header className="scope-head">
        <h1>Confusions</h1>
        {found.data && (
          <p className="quiet">
            {number(mistakes)} of {number(index.photographs)} photographs were taken for another
            class{by}, in {number(all.length)} pairs
          </p>
        )}
      </header>
      {found.error && (
        <p role="alert" className="problem">
          {found.error.message}
        </p>
      )}
      {found.isPending && (
        <p role="status" className="quiet">
          Comparing predictions with labels…
        </p>
      )}
      {all.length > 0 && (
        <TextBox
          label="Find"
          placeholder="a class"
          value={get("find") ?? ""}
          onChange={(next) => change({ find: next })}
        />
      )}
      {found.data && pairs.length === 0 && (
        <p>{all.length > 0 ? "No pair has these words." : "No photograph was mistaken."}</p>
      )}
      {pairs.slice(0, most).map((pair) => (
        <Pair key={`${pair.label} ${pair.prediction}`} index={index} pair={pair} />
      ))}
      {pairs.length > most && (
        <p>
          <Button onPress={() => setMost(most + STEP)}>
            Show more ({number(pairs.length - most)} left)
          </Button>
        </p>
      )}
    </div>
  );
}

function Pair({ index, pair }: { index: IndexInfo; pair: ConfusedPair }) {
  const [at, setAt] = useState(0);
  const { label, prediction, photographs, change, gap } = pair;
  const numbers = pair.numbers as [number, number] | null;
  const photograph = photographs[at] ?? photographs[0];
  if (!photograph) return null;
  const maps = numbers
    ? [
        { target: numbers[1], name: prediction },
        { target: numbers[0], name: label },
      ]
    : [];
  return (
    <section className="confused" aria-label={`${label} taken for ${prediction}`}>
      <h2>
        {label} <span className="quiet">taken for</span> {prediction}{" "}
        <small className="quiet">
          {photographs.length === 1 ? "once" : `${number(photographs.length)} times`}
        </small>
      </h2>
      <div className="confused-parts">
        <div className="pair">
          {maps.length === 0 && (
            <PhotographView index={index} photograph={photograph} alt={photograph.name} />
          )}
          {maps.map(({ target, name }) => (
            <figure key={target}>
              <PhotographView
                index={index}
                photograph={photograph}
                alt={`${photograph.name}: what speaks for ${name}`}
                target={target}
              />
              <figcaption>what speaks for {name}</figcaption>
            </figure>
          ))}
        </div>
        <div className="confused-words">
          {photographs.length > 1 && (
            <PhotographStrip
              index={index}
              photographs={photographs}
              label="Photographs"
              onChoose={setAt}
              chosen={at}
            />
          )}
          <p className="links">
            <Link href={pages.photograph(index.id, photograph.row)}>{photograph.name}</Link>
            {numbers && (
              <Link href={`${pages.photograph(index.id, photograph.row)}#why`}>
                Explain this error
              </Link>
            )}
          </p>
          {change.length > 0 && (
            <>
              <h3>
                What would have to change{" "}
                {gap != null && (
                  <small className="quiet">
                    the score of {prediction} is {number(gap)} above that of {label}
                    {photographs.length > 1 && ", on average"}
                  </small>
                )}
              </h3>
              <Parts
                index={index}
                units={change}
                up="would have to answer less"
                down="would have to answer more"
              />
            </>
          )}
        </div>
      </div>
    </section>
  );
}
