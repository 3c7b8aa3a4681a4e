import { useSession } from "../api/queries";
import type { NetworkInfo } from "../api/schema";
import { ChoiceBox } from "./fields";

interface Props {
  value: NetworkInfo | undefined;
  onChange: (id: string) => void;
}

/** The network, where there are several; else what is to be said of the only one. */
export function NetworkBox({ value, onChange }: Props) {
  const networks = useSession().data?.networks ?? [];
  const note =
    value?.state === "loading"
      ? `${value.name} is still loading.`
      : value?.state === "failed"
        ? (value.problem ?? `${value.name} could not be loaded.`)
        : null;
  return (
    <>
      {networks.length > 1 && (
        <ChoiceBox
          label="Network"
          choices={networks.map(({ id, name, state }) => ({
            id,
            name,
            ...(state === "ready" ? {} : { note: state }),
          }))}
          value={value?.id ?? null}
          onChange={onChange}
        />
      )}
      {note && (
        <p role="status" className="status">
          {note}
        </p>
      )}
    </>
  );
}
