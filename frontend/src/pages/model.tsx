import { useGraph, useImages, useNetwork } from "../api/queries";
import { useAddress } from "../app/address";
import { neighbor, useKeys } from "../app/keys";
import { Features } from "../model/features";
import { Layers } from "../model/layers";
import { ImagePicker } from "../parts/image_picker";
import { NetworkBox } from "../parts/network_box";
import { short } from "../parts/words";
import "../styles/lab.css";
import "../styles/live.css";
import "../styles/model.css";

export default function Model() {
  const { get, change } = useAddress();
  const network = useNetwork(get("network"));
  const graph = useGraph(network?.state === "ready" ? network.id : undefined);
  const images = useImages().data ?? [];
  const image = images.find(({ id }) => id === get("image")) ?? images[0];
  const nodes = graph.data?.nodes ?? [];
  const layer = get("layer") ?? network?.default_layer ?? null;
  const node = nodes.find(({ name }) => name === layer);
  const unit = get("unit") === null ? null : Number(get("unit"));
  const names = nodes.map(({ name }) => name);
  const setLayer = (next: string | undefined) => next && change({ layer: next, unit: null });
  const setUnit = (next: number) => {
    const channels = node?.shape[0] ?? 0;
    if (channels > 0) change({ unit: String((next + channels) % channels) });
  };
  useKeys({
    "[": () => setLayer(neighbor(names, layer ?? undefined, -1)),
    "]": () => setLayer(neighbor(names, layer ?? undefined, 1)),
    j: () => setUnit((unit ?? -1) + 1),
    k: () => setUnit((unit ?? 0) - 1),
  });
  return (
    <div className="model">
      <header>
        <h1>{network?.name ?? "Model"}</h1>
        {network?.num_parameters && (
          <p className="quiet">
            {short(network.num_parameters)} parameters, {nodes.filter(({ layer }) => layer).length}{" "}
            layers. Press one to see what it makes of the photograph.
          </p>
        )}
        <NetworkBox
          value={network}
          onChange={(id) => change({ network: id, layer: null, unit: null, run: null })}
        />
        {graph.isError && (
          <p role="alert" className="problem">
            {graph.error.message}
          </p>
        )}
      </header>
      <div className="model-layers">
        {graph.isFetching && <p className="quiet">Asking for the layers…</p>}
        {graph.data && (
          <Layers
            graph={graph.data}
            layer={layer}
            reveal={get("layer") !== null}
            onLayer={setLayer}
          />
        )}
      </div>
      <div className="model-features">
        <ImagePicker value={image?.id ?? null} onChange={({ id }) => change({ image: id })} />
        {network && node && (
          <Features
            key={node.name}
            network={network}
            node={node}
            edges={graph.data?.edges ?? []}
            image={image}
            unit={unit}
            onUnit={setUnit}
            run={get("run")}
            onRun={(run) => change({ run })}
          />
        )}
      </div>
    </div>
  );
}
