import { useMutation } from "@tanstack/react-query";
import { useRef, useState } from "react";
import { refresh } from "../api/microscope";
import { Button } from "../parts/button";
import { number } from "../parts/words";

// The server makes units whose numbers are neighbors together.
const BATCH = 16;

interface Props {
  index: string;
  layer: string;
  /** The units for which something is to be made. */
  channels: number[];
  /** What is made of them: "images". */
  what: string;
  make: (index: string, layer: string, channels: number[]) => Promise<unknown>;
  /** What the button says. */
  children: string;
}

/** Makes something of units, batch by batch, until all are done or the user has enough. */
export function Making({ index, layer, channels, what, make, children }: Props) {
  const [done, setDone] = useState(0);
  const [of, setOf] = useState(0);
  const stopped = useRef(false);
  const making = useMutation({
    mutationFn: async (wanted: number[]) => {
      stopped.current = false;
      setOf(wanted.length);
      let made = 0;
      for (const batch of batches(wanted)) {
        setDone(made);
        await make(index, layer, batch);
        refresh(index, layer);
        made += batch.length;
        if (stopped.current) break;
      }
    },
  });
  if (channels.length === 0 && !making.isPending) return null;
  return (
    <div className="links">
      {making.isPending ? (
        <>
          <span role="status">
            Making {what}: {number(done)} of {number(of)} are there…
          </span>
          <progress aria-label={`Making ${what}`} max={of} value={done} />
          <Button
            kind="quiet"
            onPress={() => {
              stopped.current = true;
            }}
          >
            Stop after these
          </Button>
        </>
      ) : (
        <Button onPress={() => making.mutate(channels)}>{children}</Button>
      )}
      {making.error && (
        <p role="alert" className="problem">
          {making.error.message}
        </p>
      )}
    </div>
  );
}

/** Channels in batches of neighbors, in the order in which they are wanted. */
function batches(channels: number[]): number[][] {
  const found = new Map<number, number[]>();
  for (const channel of channels) {
    const batch = Math.floor(channel / BATCH);
    found.set(batch, [...(found.get(batch) ?? []), channel]);
  }
  return [...found.values()];
}
