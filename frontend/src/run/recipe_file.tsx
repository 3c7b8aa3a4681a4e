import { useMutation, useQuery } from "@tanstack/react-query";
import { FileTrigger } from "react-aria-components";
import { api } from "../api/client";
import type { RecipeParts } from "../api/schema";
import { Button } from "../parts/button";
import { Snippet } from "./downloads";

interface OpenProps {
  onRead: (recipe: RecipeParts) => void;
}

/** Opens the recipe file of somebody else, or one that was saved. */
export function OpenRecipe({ onRead }: OpenProps) {
  const read = useMutation({
    mutationFn: async (file: File) => api.readRecipe(await file.text()),
    onSuccess: onRead,
  });
  return (
    <>
      <FileTrigger
        acceptedFileTypes={[".toml"]}
        onSelect={(files) => files?.[0] && read.mutate(files[0])}
      >
        <Button kind="quiet">Open a recipe</Button>
      </FileTrigger>
      {read.error && (
        <span role="alert" className="problem">
          {read.error.message}
        </span>
      )}
    </>
  );
}

interface Props extends OpenProps {
  recipe: RecipeParts;
}

/** The recipe as the file that Python and the command line run. */
export function RecipeFile({ recipe, onRead }: Props) {
  const texts = useQuery({
    queryKey: ["recipe", recipe],
    queryFn: () => api.writeRecipe(recipe),
    placeholderData: (before) => before,
    retry: false,
  });
  const toml = texts.data?.toml;
  return (
    <section className="recipe-file" aria-label="The recipe's file">
      <p className="links">
        {toml && (
          <a href={`data:application/toml,${encodeURIComponent(toml)}`} download="recipe.toml">
            Save the recipe
          </a>
        )}
        <OpenRecipe onRead={onRead} />
      </p>
      {texts.error && (
        <p role="alert" className="problem">
          {texts.error.message}
        </p>
      )}
      {toml && <Snippet title="recipe.toml" text={toml} />}
      {toml && <Snippet title="Command line" text="convscope ascend recipe.toml IMAGE" />}
    </section>
  );
}
