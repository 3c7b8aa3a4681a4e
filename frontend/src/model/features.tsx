import { useQuery } from "@tanstack/react-query";
import { Link } from "wouter";
import { api, imageUrl } from "../api/client";
import type { Graph, ImageInfo, NetworkInfo, Node } from "../api/schema";
import { useStream } from "../api/stream";
import { address } from "../app/address";
import { Button } from "../parts/button";
import { base64 } from "../parts/camera";
import { Sheet } from "../parts/sheet";
import { short } from "../parts/words";
import { FrameView } from "../run/frame";
import { useStart } from "../run/start";

interface Props {
  network: NetworkInfo;
  node: Node;
  edges: Graph["edges"];
  image: ImageInfo | undefined;
  unit: number | null;
  onUnit: (unit: number) => void;
  run: string | null;
  onRun: (run: string) => void;
}

/** What a layer does with a photograph, and what one of its units looks for. */
export function Features({ network, node, edges, image, unit, onUnit, run, onRun }: Props) {
  const start = useStart(({ id }) => onRun(id));
  const answer = useQuery({
    queryKey: ["features", network.id, node.name, image?.id],
    queryFn: async () => {
      const photograph = await fetch(imageUrl(image?.id ?? "")).then((reply) => reply.blob());
      const frame = await base64(photograph);
      return api.live({ network: network.id, image: frame, layer: node.name, overlay: "none" });
    },
    enabled: image !== undefined && network.state === "ready" && node.layer,
    retry: false,
  });
  const reads = edges.filter(([, name]) => name === node.name).map(([name]) => name);
  const feeds = edges.filter(([name]) => name === node.name).map(([, name]) => name);
  const chosen = unit ?? answer.data?.strongest?.[0] ?? 0;
  const target = `${node.name}:${chosen}`;
  const grow = () =>
    start.mutate({
      technique: "neuron_image",
      network: network.id,
      image: null,
      options: { target },
      check: false,
    });
  return (
    <aside className="features" aria-label={`The layer ${node.name}`}>
      <h2>{node.name}</h2>
      <dl className="summary">
        <Fact name="Kind" value={node.kind} />
        <Fact name="Output" value={node.shape.join(" × ")} />
        {node.parameters > 0 && <Fact name="Parameters" value={short(node.parameters)} />}
        {node.stride != null && <Fact name="Stride" value={`${node.stride} pixels`} />}
        {node.receptive_field != null && (
          <Fact name="Receptive field" value={`${node.receptive_field} pixels`} />
        )}
        {reads.length > 0 && <Fact name="Reads" value={some(reads)} />}
        {feeds.length > 0 && <Fact name="Feeds" value={some(feeds)} />}
      </dl>
      {answer.data?.sheet && <Sheet answer={answer.data} unit={unit} onUnit={onUnit} />}
      {answer.isFetching && <p className="quiet">Looking at the photograph…</p>}
      {(answer.error ?? start.error) && (
        <p role="alert" className="problem">
          {(answer.error ?? start.error)?.message}
        </p>
      )}
      {node.layer ? (
        <p className="links">
          <Button onPress={grow} isPending={start.isPending}>
            What does unit {chosen} look for?
          </Button>
          <Link
            href={address("/lab", {
              technique: "activations",
              image: image?.id ?? null,
              network: network.id,
              options: JSON.stringify({ layer: node.name }),
              go: "1",
            })}
          >
            Activations in the Lab
          </Link>
        </p>
      ) : (
        <p className="quiet">
          Branches meet here, outside of any layer, so there is nothing to read.
        </p>
      )}
      {run && <Grown run={run} />}
    </aside>
  );
}

function Fact({ name, value }: { name: string; value: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}

/** The first few names, and how many more there are. */
const some = (names: string[]) =>
  names.length > 5
    ? `${names.slice(0, 4).join(", ")} and ${names.length - 4} more`
    : names.join(", ");

/** The image of a unit, as it grows. */
function Grown({ run: id }: { run: string }) {
  const { run, frames } = useStream(id);
  const frame = frames.at(-1);
  return (
    <section aria-label="The unit's image" aria-busy={run?.state === "running"}>
      {run?.problem && (
        <p role="alert" className="problem">
          {run.problem}
        </p>
      )}
      {frame ? (
        <FrameView run={id} frame={frame} context={{ opacity: 0.85, scale: null }} />
      ) : (
        !run?.problem && <p className="quiet">Waiting for its turn…</p>
      )}
      <p>
        <Link href={address("/lab", { run: id })}>Open it in the Lab</Link>
      </p>
    </section>
  );
}
