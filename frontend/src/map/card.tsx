import { Link } from "wouter";
import { address } from "../app/address";
import { Button, IconButton } from "../parts/button";
import { CloseIcon } from "../parts/icons";
import { type Column, valueAt } from "./columns";
import type { Space } from "./state";

interface FactsProps {
  row: number;
  columns: ReadonlyMap<string, Column>;
}

/** What is known of a photograph, in short. */
export function Facts({ row, columns }: FactsProps) {
  const get = (name: string) => {
    const column = columns.get(name);
    return column ? valueAt(column, row) : "";
  };
  const [label, prediction, path] = [get("label"), get("prediction"), get("path")];
  const outcome = get("outcome");
  return (
    <dl className="map-facts">
      {label && <Fact name="Label" value={label} />}
      {prediction && (
        <Fact name="Prediction" value={`${prediction}, ${get("probability")}`} outcome={outcome} />
      )}
      {path && <Fact name="Path" value={path} />}
    </dl>
  );
}

function Fact({ name, value, outcome }: { name: string; value: string; outcome?: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>
        {value}
        {outcome && <span className={`map-${outcome}`}>{outcome}</span>}
      </dd>
    </div>
  );
}

export const photographUrl = (index: string, row: number): string =>
  address(`/photographs/${row}`, { index });

interface CardProps extends FactsProps {
  index: string;
  picture: string;
  onNear: (space: Space) => void;
  onClose: () => void;
}

/** The photograph that was pressed: what is known of it, and what can be asked. */
export function Card({ row, columns, index, picture, onNear, onClose }: CardProps) {
  return (
    <section className="map-card" aria-label="The photograph that you pressed">
      <Link href={photographUrl(index, row)}>
        <img key={row} src={picture} alt={`Photograph ${row}`} width="128" height="128" />
      </Link>
      <Facts row={row} columns={columns} />
      <p className="map-asks">
        <Link className="button button-main" href={photographUrl(index, row)}>
          Open
        </Link>
        <Button onPress={() => onNear("features")}>Nearest by features</Button>
        <Button onPress={() => onNear("pixels")}>Nearest by pixels</Button>
      </p>
      <IconButton label="Close" onPress={onClose}>
        <CloseIcon />
      </IconButton>
    </section>
  );
}
