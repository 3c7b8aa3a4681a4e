import { type RefObject, useEffect, useRef, useState } from "react";
import { base64, snapshot } from "./camera";
import type { Showing } from "./source";

interface Looked<T> {
  answer: T | null;
  problem: string | null;
  /** Answers a second, lately. */
  rate: number;
}

const REST = 250;

/** Ask the server about what is shown, again and again, as fast as it answers. */
export function useLoop<T>(
  source: RefObject<Showing | null>,
  side: number,
  ask: ((frame: string) => Promise<T>) | null,
  question: string,
): Looked<T> {
  const [looked, setLooked] = useState<Looked<T>>({ answer: null, problem: null, rate: 0 });
  const asking = useRef(ask);
  asking.current = ask;
  const wanted = ask !== null;

  useEffect(() => {
    if (!wanted) return;
    let on = true;
    let rate = 0;
    let last = "";
    const look = async () => {
      const began = performance.now();
      const shown = source.current;
      const blob = shown && !document.hidden ? await snapshot(shown, side) : null;
      const frame = blob ? await base64(blob) : null;
      if (!on) return;
      // A photograph gives one answer; a camera's frames all differ.
      if (frame === null || frame === last || !asking.current) return void setTimeout(look, REST);
      try {
        const answer = await asking.current(frame);
        last = frame;
        const now = 1000 / (performance.now() - began);
        rate = rate ? 0.8 * rate + 0.2 * now : now;
        if (on) setLooked({ answer, problem: null, rate });
        if (on) requestAnimationFrame(() => void look());
      } catch (error) {
        if (!on) return;
        setLooked((before) => ({ ...before, problem: (error as Error).message }));
        setTimeout(look, 4 * REST);
      }
    };
    void look();
    return () => {
      on = false;
    };
  }, [wanted, question, side, source]);
  return looked;
}
