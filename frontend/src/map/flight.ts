const SECONDS = 0.9;

/** Tell how far something has flown, from 0 to 1, repaint by repaint; a function that stops it. */
export function flight(still: boolean, tell: (flown: number) => void): () => void {
  if (still) {
    tell(1);
    return () => {};
  }
  let asked = 0;
  const began = performance.now();
  const step = (now: number) => {
    const part = Math.min(1, Math.max(0, (now - began) / 1000 / SECONDS));
    tell(part * part * (3 - 2 * part));
    if (part < 1) asked = requestAnimationFrame(step);
  };
  tell(0);
  asked = requestAnimationFrame(step);
  return () => cancelAnimationFrame(asked);
}

export const prefersStill = (): boolean =>
  window.matchMedia("(prefers-reduced-motion: reduce)").matches;
