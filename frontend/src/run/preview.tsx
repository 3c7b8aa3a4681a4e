import { imageUrl } from "../api/client";
import { usePredictions } from "../api/queries";
import { Predictions } from "../parts/predictions";
import type { Chosen } from "./draft";

/** The photograph and what the network says of it, before anything is run. */
export function Preview({ chosen: { image, network, technique } }: { chosen: Chosen }) {
  const predictions = usePredictions(
    network?.state === "ready" ? network.id : undefined,
    image?.id,
  );
  if (!image || technique?.takes_image === false) {
    return (
      <p className="quiet waiting">
        {technique?.description || "Choose a technique, then run it."}
      </p>
    );
  }
  const top = predictions.data?.[0];
  const alt = top ? `${image.name}, predicted as ${top.name}` : image.name;
  return (
    <figure className="preview">
      <img src={imageUrl(image.id)} alt={alt} width={image.width} height={image.height} />
      <figcaption>
        <span>{image.name}</span>
        {predictions.data && <Predictions predictions={predictions.data} />}
        {predictions.isError && <span className="quiet">{predictions.error.message}</span>}
      </figcaption>
    </figure>
  );
}
