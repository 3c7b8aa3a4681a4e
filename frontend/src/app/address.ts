import { useCallback } from "react";
import { useLocation, useSearch } from "wouter";

export type Changes = Record<string, string | null | undefined>;

/** The address with other parameters; those that are null are left out. */
export function address(path: string, changes: Changes, search = ""): string {
  const parameters = new URLSearchParams(search);
  for (const [name, value] of Object.entries(changes)) {
    if (value === null || value === "") parameters.delete(name);
    else if (value !== undefined) parameters.set(name, value);
  }
  const text = parameters.toString();
  return text ? `${path}?${text}` : path;
}

/** The parameters of the page's address, and a function that changes some of them. */
export function useAddress() {
  const search = useSearch();
  const [path, navigate] = useLocation();
  const change = useCallback(
    (changes: Changes, push = false) => {
      const now = window.location.search;
      navigate(address(path, changes, now), { replace: !push });
    },
    [path, navigate],
  );
  return { get: (name: string) => new URLSearchParams(search).get(name), change, navigate };
}
