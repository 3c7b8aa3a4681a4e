import { useSyncExternalStore } from "react";

export type Theme = "light" | "dark";

const dark = window.matchMedia("(prefers-color-scheme: dark)");
const listeners = new Set<() => void>();

function current(): Theme {
  const chosen = document.documentElement.dataset.theme;
  return chosen === "light" || chosen === "dark" ? chosen : dark.matches ? "dark" : "light";
}

function subscribe(tell: () => void): () => void {
  listeners.add(tell);
  dark.addEventListener("change", tell);
  return () => {
    listeners.delete(tell);
    dark.removeEventListener("change", tell);
  };
}

export const useTheme = (): Theme => useSyncExternalStore(subscribe, current);

export function setTheme(theme: Theme): void {
  document.documentElement.dataset.theme = theme;
  localStorage.setItem("theme", theme);
  for (const tell of listeners) tell();
}
