import { type ReactNode, useMemo, useState } from "react";
import { Link, useParams } from "wouter";
import {
  type Shown,
  scope,
  useFound,
  useIndex,
  useIndexDetail,
  useLayer,
  usePushing,
} from "../api/microscope";
import { useImages, useSession } from "../api/queries";
import type { CollectedLayer, IndexInfo, LayerFacts } from "../api/schema";
import { useAddress } from "../app/address";
import { neighbor, useKeys } from "../app/keys";
import { ChoiceBox, SwitchBox, TextBox } from "../parts/fields";
import { number } from "../parts/words";
import { AskedPhotograph } from "../scope/asked";
import { NoIndex, ScopeBar } from "../scope/bar";
import { pages } from "../scope/links";
import { Making } from "../scope/making";
import { figuresOf, ordered, PUSH, pushesOf, SORTS, type Sort } from "../scope/order";
import { Tiles, type View } from "../scope/tiles";
import "../styles/microscope.css";

export default function Layer() {
  const { layer: name } = useParams<{ layer?: string }>();
  const { get, navigate } = useAddress();
  const session = useSession().data;
  const index = useIndex(get("index"));
  const detail = useIndexDetail(index?.id);
  const layers = detail.data?.layers ?? [];
  const first = (get("class") && detail.data?.embedding) || layers[0]?.name;
  const layer = layers.find((one) => one.name === (name ?? first));
  const facts = useLayer(index?.id, layer?.name);
  const go = (next: CollectedLayer | undefined) =>
    index && next && navigate(pages.layer(index.id, next.name));
  useKeys({
    "[": () => go(neighbor(layers, layer, -1)),
    "]": () => go(neighbor(layers, layer, 1)),
  });
  if (!index) return <NoIndex asked={session !== undefined} />;
  const error = detail.error ?? facts.error;
  const choice = (
    <ChoiceBox
      label="Layer"
      choices={layers.map((one) => ({ id: one.name, name: one.name, note: about(one) }))}
      value={layer?.name ?? null}
      onChange={(next) => go(layers.find((one) => one.name === next))}
    />
  );
  return (
    <div className="scope">
      <ScopeBar index={index} page="units" />
      <header className="scope-head">
        <h1>{layer?.name ?? name ?? "Units"}</h1>
        {layer && <p className="quiet">{about(layer, facts.data)}</p>}
      </header>
      {error && (
        <p role="alert" className="problem">
          {error.message}
        </p>
      )}
      {detail.data && !layer && (
        <p role="alert" className="problem">
          The index has no layer {name}. Choose another one.
        </p>
      )}
      {(detail.isPending || (layer && facts.isPending)) && !error && (
        <p role="status" className="quiet">
          Asking for the units…
        </p>
      )}
      {layer && facts.data && (
        <Units key={layer.name} index={index} layer={layer} facts={facts.data}>
          {choice}
        </Units>
      )}
      {detail.data && !layer && choice}
    </div>
  );
}

function about({ channels, size }: CollectedLayer, facts?: LayerFacts): string {
  const maps = size[0] * size[1] > 1 ? `, maps of ${size.join(" × ")}` : "";
  const dead = facts?.dead.filter(Boolean).length ?? 0;
  return `${number(channels)} channels${maps}${dead ? `, ${number(dead)} dead` : ""}`;
}

interface Props {
  index: IndexInfo;
  layer: CollectedLayer;
  facts: LayerFacts;
  /** The choice of the layer. */
  children: ReactNode;
}

function Units({ index, layer, facts, children }: Props) {
  const { get, change } = useAddress();
  const [at, setAt] = useState(-1);
  const [sight, setSight] = useState<number[]>([]);
  const shown = useShown(get("photo"), get("row"));
  const by = get("sort") === "look" ? "look" : "answer";
  const asked = ["photograph", "look"].includes(get("sort") ?? "");
  const given = get("photo") !== null || get("row") !== null;
  const found = useFound(index.id, asked || given ? shown : null, by);
  const pushing = usePushing(index.id, get("class"));
  const pushes = useMemo(
    () => pushesOf(pushing.data?.units, layer.name),
    [pushing.data, layer.name],
  );
  const sorts =
    pushing.data && pushes.values.size > 0 ? [PUSH(pushing.data.name), ...SORTS] : SORTS;
  const sort = sorts.find(({ id }) => id === get("sort"))?.id ?? "index";
  const figures = useMemo(
    () => (sort === "push" ? pushes : figuresOf(found.data, layer.name, by)),
    [sort, pushes, found.data, layer.name, by],
  );
  const view = viewOf(get("show") ?? (sort === "look" ? "images" : null), layer);
  const find = get("find") ?? "";
  const alive = get("alive") === "1";
  const channels = useMemo(
    () => ordered(facts, sort, find, alive, figures),
    [facts, sort, find, alive, figures],
  );
  const move = (step: number) =>
    setAt((before) => Math.max(0, Math.min(channels.length - 1, before + step)));
  useKeys({ j: () => move(1), k: () => move(-1) });
  const wanted = sort === "look" ? facts.imaged.keys() : sight;
  const missing = [...wanted].filter((channel) => !facts.imaged[channel] && !facts.dead[channel]);
  const unlinked = facts.pushed.flatMap((pushed, channel) => (pushed < 0 ? [channel] : []));
  const rearrange = (changes: Record<string, string | null>) => {
    setAt(-1);
    change(changes);
  };
  return (
    <>
      <div className="scope-tools">
        {children}
        <ChoiceBox
          label="Show"
          choices={viewsOf(layer)}
          value={view}
          onChange={(show) => change({ show })}
        />
        <ChoiceBox
          label="Sort by"
          choices={[...sorts]}
          value={sort}
          onChange={(next) => rearrange({ sort: next === "index" ? null : (next as Sort) })}
        />
        <TextBox
          label="Find"
          placeholder="a number or a class"
          value={find}
          onChange={(next) => rearrange({ find: next })}
        />
        <SwitchBox value={alive} onChange={(next) => rearrange({ alive: next ? "1" : null })}>
          Without dead units
        </SwitchBox>
      </div>
      {(view === "activations" || asked) && (
        <AskedPhotograph
          index={index}
          shown={shown}
          found={found}
          imaged={by === "look" ? [facts.imaged.filter(Boolean).length, facts.imaged.length] : null}
          onChange={(photo) => rearrange({ photo, row: null })}
        />
      )}
      {pushing.error && (
        <p role="alert" className="problem">
          {pushing.error.message}
        </p>
      )}
      {pushing.data && sort === "push" && (
        <p>
          These units make the network say <strong>{pushing.data.name}</strong>: the number is what
          its score gains when the unit rises by one.{" "}
          <Link href={pages.layer(index.id, layer.name)}>Forget the class</Link>
        </p>
      )}
      {(view === "images" || sort === "look") && (
        <Making
          index={index.id}
          layer={layer.name}
          channels={missing}
          what="images"
          make={scope.makeImages}
        >
          {sort === "look"
            ? `Make the images of the other ${number(missing.length)} units`
            : `Make the images of the ${number(missing.length)} units in sight`}
        </Making>
      )}
      {sort === "class" && (
        <Making
          index={index.id}
          layer={layer.name}
          channels={unlinked}
          what="connections"
          make={scope.makeConnections}
        >
          {`Find the classes of the other ${number(unlinked.length)} units`}
        </Making>
      )}
      <p className="quiet" role="status">
        {channels.length === facts.high.length
          ? `${number(channels.length)} units`
          : `${number(channels.length)} of ${number(facts.high.length)} units`}
      </p>
      <Tiles
        index={index}
        layer={layer}
        facts={facts}
        channels={channels}
        view={view}
        shown={shown}
        figures={figures}
        at={at}
        onSight={setSight}
      />
    </>
  );
}

const VIEWS: { id: View; name: string }[] = [
  { id: "patches", name: "Strongest patches" },
  { id: "images", name: "Images of units" },
  { id: "activations", name: "Activation of a photograph" },
  { id: "filters", name: "Filters" },
];

const viewsOf = ({ filters }: CollectedLayer) =>
  VIEWS.filter(({ id }) => id !== "filters" || filters);

function viewOf(asked: string | null, layer: CollectedLayer): View {
  return viewsOf(layer).find(({ id }) => id === asked)?.id ?? "patches";
}

/** The photograph of the address; else the first one of the session. */
function useShown(image: string | null, row: string | null): Shown | null {
  const images = useImages().data ?? [];
  const first = images.find(({ problem }) => !problem)?.id;
  return useMemo(() => {
    if (row !== null && /^\d{1,9}$/.test(row)) return { row: Number(row) };
    const id = image ?? first;
    return id === undefined ? null : { image: id };
  }, [image, row, first]);
}
