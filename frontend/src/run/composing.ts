import { useEffect, useState } from "react";
import { api } from "../api/client";
import type { RecipeParts } from "../api/schema";
import { useAddress } from "../app/address";

function parsed(text: string | null): RecipeParts | null {
  try {
    const value: unknown = JSON.parse(text ?? "null");
    return value !== null && typeof value === "object" && "start" in value
      ? (value as RecipeParts)
      : null;
  } catch {
    return null;
  }
}

const DELAY = 300;

/** The recipe of the address, or of the run in it; changes go back into the address. */
export function useRecipe() {
  const { get, change } = useAddress();
  const [recipe, setRecipe] = useState(() => parsed(get("recipe")));
  const run = get("run");
  useEffect(() => {
    if (run === null || recipe !== null) return;
    api.run(run).then(
      ({ request }) => request.recipe && setRecipe(request.recipe),
      () => {},
    );
  }, [run, recipe]);
  useEffect(() => {
    if (recipe === null) return;
    const timer = setTimeout(() => change({ recipe: JSON.stringify(recipe) }), DELAY);
    return () => clearTimeout(timer);
  }, [recipe, change]);
  return [recipe, setRecipe] as const;
}
