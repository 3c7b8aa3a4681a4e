import type { UseQueryResult } from "@tanstack/react-query";
import { Link } from "wouter";
import type { Shown } from "../api/microscope";
import type { IndexInfo, LayerUnits } from "../api/schema";
import { ImagePicker } from "../parts/image_picker";
import { number } from "../parts/words";
import { pages } from "./links";

interface Props {
  index: IndexInfo;
  shown: Shown | null;
  found: UseQueryResult<LayerUnits[]>;
  /** How many units of how many have an image that the photograph is compared with, if it is. */
  imaged: [number, number] | null;
  onChange: (image: string) => void;
}

/** The photograph that units are asked about: one of the index, or any that the user gives. */
export function AskedPhotograph({ index, shown, found, imaged, onChange }: Props) {
  return (
    <div className="scope-photograph">
      <ImagePicker
        label={imaged ? "Photograph that the images are compared with" : "Photograph to answer to"}
        value={shown && "image" in shown ? shown.image : null}
        onChange={({ id }) => onChange(id)}
      />
      {shown && "row" in shown && (
        <p>
          The units are asked about{" "}
          <Link href={pages.photograph(index.id, shown.row)}>photograph {shown.row}</Link> of the
          index. Choose another one above.
        </p>
      )}
      {imaged && imaged[0] < imaged[1] && (
        <p className="quiet">
          {number(imaged[0])} of {number(imaged[1])} units have an image to compare; the others come
          last.
        </p>
      )}
      {found.isFetching && (
        <p role="status" className="status">
          Asking the units…
        </p>
      )}
      {found.error && (
        <p role="alert" className="problem">
          {found.error.message}
        </p>
      )}
    </div>
  );
}
