import { useSession } from "../api/queries";
import { useAddress } from "../app/address";
import { Collection } from "../map/collection";
import { useMap } from "../map/data";
import "../styles/map.css";
import "../styles/map_side.css";
import "../styles/map_stage.css";

export default function MapPage() {
  const { get, change } = useAddress();
  const session = useSession();
  const indexes = session.data?.indexes ?? [];
  const index = get("index") ?? indexes[0]?.id;
  const map = useMap(index);
  const starting = session.data?.networks.some(({ state }) => state === "loading") ?? true;
  if (map.data) {
    const other = (id: string) =>
      change({ index: id, layout: null, chosen: null, row: null, where: null, view: null });
    return (
      <Collection
        key={`${index} ${map.data.version}`}
        info={map.data}
        indexes={indexes}
        onIndex={other}
      />
    );
  }
  return (
    <div className="page">
      <h1>Map</h1>
      {map.error ? (
        <p role="alert" className="problem">
          {map.error.message}
        </p>
      ) : (
        <p className="quiet">
          {index || starting ? (
            "Opening the collection…"
          ) : (
            <>
              There is no collection. Make one with <code>convscope index FOLDER -o INDEX</code>,
              and start <code>convscope explore</code> with <code>--index INDEX</code>.
            </>
          )}
        </p>
      )}
    </div>
  );
}
