import { useState } from "react";
import { Link } from "wouter";
import { useGraph } from "../api/queries";
import type { ImageInfo, NetworkInfo } from "../api/schema";
import { address } from "../app/address";
import type { Place } from "../panels/types";
import { Button } from "../parts/button";
import { ChoiceBox, NumberBox } from "../parts/fields";
import { Window } from "../parts/window";

interface PickedProps {
  target: string;
  isTarget: boolean;
  image: ImageInfo | undefined;
}

/** A unit that was picked, and what to do with it. */
export function Picked({ target, isTarget, image }: PickedProps) {
  const lab = (technique: string, photograph: string | undefined) =>
    address("/lab", {
      technique,
      image: photograph ?? null,
      options: JSON.stringify({ target }),
      go: "1",
    });
  return (
    <p role="status" className="picked">
      <span>
        <code>{target}</code> {isTarget ? "is the target of the next run." : "is picked."}
      </span>
      <Link href={lab("neuron_image", undefined)}>Make its image</Link>
      <Link href={lab("gradcam", image?.id)}>Where in the photograph?</Link>
    </p>
  );
}

interface PlaceProps {
  place: Place | null;
  network: NetworkInfo | undefined;
  onClose: () => void;
  onPick: (target: string) => void;
}

/** Which neuron at this place of the photograph? Asks for its layer and channel. */
export function PlaceWindow({ place, network, onClose, onPick }: PlaceProps) {
  return (
    <Window title="Pick a neuron here" isOpen={place !== null} onOpenChange={onClose}>
      {place && (
        <Neuron
          place={place}
          network={network}
          onPick={(target) => {
            onClose();
            onPick(target);
          }}
        />
      )}
    </Window>
  );
}

type NeuronProps = Omit<PlaceProps, "place" | "onClose"> & { place: Place };

function Neuron({ place, network, onPick }: NeuronProps) {
  const graph = useGraph(network?.id);
  const maps = (graph.data?.nodes ?? []).filter(({ shape }) => shape.length === 3);
  const [chosen, setChosen] = useState(network?.default_layer ?? null);
  const [channel, setChannel] = useState(0);
  const layer = maps.find(({ name }) => name === chosen) ?? maps.at(-1);
  if (!layer) return <p className="quiet">{graph.error?.message ?? "Asking for the layers…"}</p>;
  const [channels = 1, rows = 1, columns = 1] = layer.shape;
  const row = Math.floor(place.y * rows);
  const column = Math.floor(place.x * columns);
  const target = `${layer.name}:${channel}@${row},${column}`;
  return (
    <div className="form">
      <ChoiceBox
        label="Layer"
        choices={maps.map(({ name, shape }) => ({ id: name, name, note: shape.join(" × ") }))}
        value={layer.name}
        onChange={setChosen}
      />
      <NumberBox
        label={`Channel, 0 to ${channels - 1}`}
        value={Math.min(channel, channels - 1)}
        onChange={(value) => setChannel(value ?? 0)}
        minimum={0}
        maximum={channels - 1}
        whole
      />
      <p>
        This place is row {row}, column {column} of {rows} × {columns}.
      </p>
      <Button kind="main" onPress={() => onPick(target)}>
        Pick {target}
      </Button>
    </div>
  );
}
