import { useEffect, useRef } from "react";

export const HELP: readonly (readonly [string, string])[] = [
  ["/", "search techniques, photographs, layers and classes"],
  ["?", "this help"],
  ["[  ]", "previous and next layer"],
  ["j  k", "next and previous unit"],
  ["Space", "pause a run, or go on"],
  ["←  →", "previous and next frame, on the bar of frames"],
  ["Esc", "close, or back"],
];

function typing(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  return target.closest("input, textarea, select, [contenteditable], [role=dialog]") !== null;
}

/** Keys that work everywhere on a page but in fields and dialogs. */
export function useKeys(keys: Record<string, () => void>): void {
  const current = useRef(keys);
  current.current = keys;
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
      const action = current.current[event.key];
      const button = event.target instanceof HTMLElement && event.target.closest("button, a");
      if (!action || typing(event.target) || (button && event.key === " ")) return;
      event.preventDefault();
      action();
    };
    window.addEventListener("keydown", press);
    return () => window.removeEventListener("keydown", press);
  }, []);
}

/** The element `step` further in a list, wrapped around. */
export function neighbor<T>(
  list: readonly T[],
  current: T | undefined,
  step: number,
): T | undefined {
  if (list.length === 0) return undefined;
  const index = current === undefined ? -1 : list.indexOf(current);
  if (index < 0) return step > 0 ? list[0] : list.at(-1);
  return list[(index + step + list.length) % list.length];
}
