import { useQueries } from "@tanstack/react-query";
import { Link, useLocation } from "wouter";
import { api, blobUrl, imageUrl } from "../api/client";
import { useImages, useRuns, useSession } from "../api/queries";
import type { FrameInfo, ImageInfo, NetworkInfo, RunInfo } from "../api/schema";
import { address } from "../app/address";
import { ImagePicker } from "../parts/image_picker";
import { number, STATES } from "../parts/words";
import { pages } from "../scope/links";
import "../styles/home.css";

const RECENT = 6;

export default function Home() {
  const images = useImages().data ?? [];
  const [, navigate] = useLocation();
  const sample = images.find(({ kind }) => kind === "sample") ?? images[0];
  const lab = (changes: Record<string, string>) => address("/lab", changes);
  return (
    <div className="home">
      <section className="hero">
        {sample && (
          <img
            src={imageUrl(sample.id)}
            alt={`The photograph ${sample.name}`}
            width={sample.width}
            height={sample.height}
          />
        )}
        <div className="hero-words">
          <h1>What does the network see?</h1>
          <p>
            Drop a photograph anywhere on this page, or paste one. See which pixels matter, what
            each unit looks for, and how easily it all can be fooled.
          </p>
          {sample && (
            <Link
              className="button button-main"
              href={lab({ technique: "gradcam", image: sample.id, go: "1" })}
            >
              Try it with the sample photograph
            </Link>
          )}
        </div>
      </section>
      <section aria-labelledby="photographs">
        <h2 id="photographs">Photographs</h2>
        <ImagePicker
          value={null}
          onChange={({ id }) => navigate(lab({ technique: "gradcam", image: id }))}
        />
      </section>
      <Recent />
      <Given sample={sample} />
    </div>
  );
}

function Recent() {
  const runs = (useRuns().data ?? []).slice(0, RECENT);
  const frames = useQueries({
    queries: runs.map(({ id, frames }) => ({
      queryKey: ["frame", id, (frames ?? 0) - 1],
      queryFn: () => api.frame(id, (frames ?? 0) - 1),
      enabled: (frames ?? 0) > 0,
      placeholderData: (before: FrameInfo | undefined) => before,
    })),
  });
  if (runs.length === 0) return null;
  return (
    <section aria-labelledby="runs">
      <h2 id="runs">Recent runs</h2>
      <ul className="recent">
        {runs.map((run, index) => (
          <li key={run.id}>
            <Link href={pageOf(run)}>
              <Thumbnail run={run} frame={frames[index]?.data} />
              <span>{run.title}</span>
              <span className="quiet">{STATES[run.state]}</span>
            </Link>
          </li>
        ))}
      </ul>
    </section>
  );
}

/** The page that shows a run. */
export function pageOf(run: RunInfo): string {
  return address(run.request.recipe ? "/composer" : "/lab", { run: run.id });
}

function Thumbnail({ run, frame }: { run: RunInfo; frame: FrameInfo | undefined }) {
  const blob = frame && pictureOf(frame);
  if (!frame || blob === undefined) return <span className="thumbnail" aria-hidden="true" />;
  return <img className="thumbnail" src={blobUrl(run.id, frame.number, blob)} alt="" />;
}

function pictureOf(frame: FrameInfo): number | undefined {
  for (const panel of frame.panels) {
    if (panel.kind === "picture" || panel.kind === "grid" || panel.kind === "mosaic")
      return panel.blob;
    if (panel.kind === "heatmap") return panel.overlay;
    if (panel.kind === "sheet") return panel.maps[0]?.overlay;
  }
  return undefined;
}

/** What the command line gave: networks and indexes. */
function Given({ sample }: { sample: ImageInfo | undefined }) {
  const session = useSession().data;
  const first = session?.networks[0];
  return (
    <section aria-labelledby="networks" className="given">
      <h2 id="networks">Networks</h2>
      <ul className="rows">
        {session?.networks.map((network) => (
          <li key={network.id}>
            <Link href={address("/model", { network: network.id })}>{network.name}</Link>
            <span className="quiet">{about(network)}</span>
            {sample && comparable(first, network) && (
              <Link href={compared(first, network, sample)}>Compare with {first.name}</Link>
            )}
          </li>
        ))}
      </ul>
      {session && session.indexes.length > 0 && (
        <>
          <h2>Indexes</h2>
          <ul className="rows">
            {session.indexes.map(({ id, name, photographs, network }) => (
              <li key={id}>
                <span className="links">
                  <Link href={pages.units(id)}>{name}</Link>
                  <Link href={pages.photograph(id, 0)}>Photographs</Link>
                  <Link href={pages.confusions(id)}>Confusions</Link>
                  <Link href={pages.map(id)}>Map</Link>
                </span>
                <span className="quiet">
                  {number(photographs)} photographs, {network}
                </span>
              </li>
            ))}
          </ul>
        </>
      )}
    </section>
  );
}

/** Whether networks are ready and name as many classes. */
function comparable(one: NetworkInfo | undefined, other: NetworkInfo): one is NetworkInfo {
  const ready = one?.state === "ready" && other.state === "ready";
  return ready && one.id !== other.id && one.num_classes === other.num_classes;
}

/** What two networks see in a photograph, beside each other. */
function compared(one: NetworkInfo, other: NetworkInfo, image: ImageInfo): string {
  const options = { nets: [other.id], methods: ["gradcam", "saliency"] };
  return address("/lab", {
    technique: "compare",
    network: one.id,
    image: image.id,
    options: JSON.stringify(options),
    go: "1",
  });
}

function about({ state, problem, num_parameters, num_classes, input_size }: NetworkInfo): string {
  if (state === "loading") return "loading…";
  if (state === "failed") return problem ?? "could not be loaded";
  const parameters = num_parameters
    ? `${(num_parameters / 1e6).toFixed(1)} million parameters`
    : "";
  const classes = num_classes ? `${number(num_classes)} classes` : "";
  const input = input_size ? `${input_size.join(" × ")} pixels` : "";
  return [parameters, classes, input].filter(Boolean).join(", ");
}
