import { useRef, useState } from "react";
import { api } from "../api/client";
import { useImages, useStyles } from "../api/queries";
import type { StyleInfo } from "../api/schema";
import { useAddress } from "../app/address";
import { Button } from "../parts/button";
import { SliderBox } from "../parts/fields";
import { useLoop } from "../parts/loop";
import { type Showing, Source } from "../parts/source";
import { parseObject } from "../run/draft";
import "../styles/live.css";

const SIDE = 512;
const LIVELY = 320;

export default function Style() {
  const { get, change } = useAddress();
  const styles = useStyles();
  const images = useImages().data ?? [];
  const image = images.find(({ id }) => id === get("image")) ?? images[0];
  const source = useRef<Showing | null>(null);
  const [original, setOriginal] = useState(0);
  const all = styles.data ?? [];
  const weights = weightsOf(get("styles"), all);
  const some = Object.values(weights).some((weight) => weight > 0);
  const ask = some
    ? (frame: string) => {
        const moving = source.current instanceof HTMLVideoElement;
        return api.stylize({ frame, styles: weights, size: moving ? LIVELY : SIDE });
      }
    : null;
  const question = JSON.stringify([weights, image?.id]);
  const { answer, problem, rate } = useLoop(source, SIDE, ask, question);
  const set = (name: string, weight: number) =>
    change({ styles: JSON.stringify({ ...weights, [name]: weight }) });
  return (
    <div className="live">
      <h1 className="hidden">Style</h1>
      <div className="live-left">
        <Source
          image={image}
          onImage={({ id }) => change({ image: id })}
          source={source}
          below={
            <SliderBox
              label="How much of the original shows, from the left"
              value={original}
              onChange={setOriginal}
              maximum={1}
              step={0.01}
              format={{ style: "percent" }}
            />
          }
        >
          {answer && some && (
            <img
              src={`data:image/jpeg;base64,${answer.picture}`}
              alt={`${image?.name ?? "The picture"} in the style of ${named(weights, all)}`}
              className="style-picture"
              style={{ clipPath: `inset(0 0 0 ${original * 100}%)` }}
            />
          )}
        </Source>
        <p className="links quiet" role="status">
          {!some && <span>Give a style some weight.</span>}
          {some && !answer && <span>Painting…</span>}
          {answer && (
            <a href={`data:image/jpeg;base64,${answer.picture}`} download="stylized.jpg">
              Save the picture
            </a>
          )}
          {rate > 0 && <span>{answer?.milliseconds.toFixed(0)} ms</span>}
        </p>
        {(problem ?? styles.error?.message) && (
          <p role="alert" className="problem">
            {problem ?? styles.error?.message}
          </p>
        )}
      </div>
      <div className="live-right">
        <section aria-labelledby="styles">
          <h2 id="styles">Styles</h2>
          <div className="style-sliders">
            {all.map(({ name, title }) => (
              <SliderBox
                key={name}
                label={title}
                value={weights[name] ?? 0}
                onChange={(weight) => set(name, weight)}
                maximum={1}
                step={0.05}
                format={{ style: "percent" }}
              />
            ))}
          </div>
          <p>
            <Button kind="quiet" onPress={() => change({ styles: JSON.stringify(mixed(all)) })}>
              Surprise me
            </Button>
          </p>
        </section>
      </div>
    </div>
  );
}

function weightsOf(text: string | null, styles: StyleInfo[]): Record<string, number> {
  const given = parseObject(text);
  const usual = text === null ? styles[0]?.name : undefined;
  return Object.fromEntries(
    styles.map(({ name }) => {
      const weight = given[name];
      return [name, typeof weight === "number" ? weight : name === usual ? 1 : 0];
    }),
  );
}

function mixed(styles: StyleInfo[]): Record<string, number> {
  const two = [...styles].sort(() => Math.random() - 0.5).slice(0, 2);
  return Object.fromEntries(
    styles.map((style) => [
      style.name,
      two.includes(style) ? Math.ceil(Math.random() * 20) / 20 : 0,
    ]),
  );
}

function named(weights: Record<string, number>, styles: StyleInfo[]): string {
  const used = styles.filter(({ name }) => (weights[name] ?? 0) > 0);
  return used.map(({ title }) => title).join(" and ");
}
