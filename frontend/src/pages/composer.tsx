import { useRecipes, useVocabulary } from "../api/queries";
import type { RecipeExample, RunInfo } from "../api/schema";
import { useAddress } from "../app/address";
import { Button } from "../parts/button";
import { ChoiceBox } from "../parts/fields";
import { ImagePicker } from "../parts/image_picker";
import { NetworkBox } from "../parts/network_box";
import { useRecipe } from "../run/composing";
import { useChosen } from "../run/draft";
import { OpenRecipe, RecipeFile } from "../run/recipe_file";
import { RecipeForm } from "../run/recipe_form";
import { Stage } from "../run/stage";
import { useStart } from "../run/start";
import "../styles/lab.css";
import "../styles/composer.css";

export default function Composer() {
  const { get, change: go } = useAddress();
  const [recipe, setRecipe] = useRecipe();
  const vocabulary = useVocabulary();
  const examples = useRecipes();
  const draft = {
    technique: "ascend",
    network: get("network"),
    image: get("image"),
    options: {},
    check: false,
  };
  const { network, image } = useChosen(draft, "ascend");
  const show = (next: RunInfo) => go({ run: next.id, frame: null }, true);
  const start = useStart(show);
  const run = get("run");
  const frame = get("frame");
  const words = vocabulary.data;
  const choose = (example: RecipeExample) => setRecipe(example.recipe);
  const press = () =>
    recipe &&
    start.mutate({
      technique: "ascend",
      network: network?.id ?? null,
      image: image?.id ?? null,
      options: {},
      check: false,
      recipe,
    });
  return (
    <div className="lab composer" data-begun={recipe !== null || run !== null || undefined}>
      <aside className="lab-controls" aria-label="The recipe">
        <h1>Composer</h1>
        {recipe && <OtherPaper examples={examples.data ?? []} onChoose={choose} />}
        <ImagePicker value={image?.id ?? null} onChange={({ id }) => go({ image: id })} />
        <NetworkBox value={network} onChange={(id) => go({ network: id })} />
        {recipe && words && (
          <RecipeForm recipe={recipe} vocabulary={words} onChange={setRecipe} network={network} />
        )}
        <div className="lab-run">
          <Button kind="main" isDisabled={!recipe} isPending={start.isPending} onPress={press}>
            Run
          </Button>
          <p role="status" className="status">
            {(vocabulary.error ?? examples.error)?.message}
            {start.isError && start.error.message}
          </p>
        </div>
      </aside>
      <div className="lab-stage">
        {run === null ? (
          <>
            <p className="composer-idea">
              From a <b>start</b>, climb an <b>objective</b>, under a <b>backward rule</b>, with{" "}
              <b>priors</b>, by an <b>optimizer</b>. Nearly every picture in the field is this
              sentence with other words. Begin with a paper, then change one word.
            </p>
            {!recipe && (
              <>
                <Papers examples={examples.data ?? []} onChoose={choose} />
                <p className="links">
                  <OpenRecipe onRead={setRecipe} />
                </p>
              </>
            )}
          </>
        ) : (
          <Stage
            key={run}
            id={run}
            frame={frame === null ? null : Number(frame)}
            onFrame={(next) => go({ frame: next === null ? null : String(next) })}
          />
        )}
        {recipe && <RecipeFile recipe={recipe} onRead={setRecipe} />}
      </div>
    </div>
  );
}

interface ExamplesProps {
  examples: RecipeExample[];
  onChoose: (example: RecipeExample) => void;
}

function OtherPaper({ examples, onChoose }: ExamplesProps) {
  return (
    <ChoiceBox
      label="Begin with another paper"
      choices={examples.map(({ name, title, paper }) => ({ id: name, name: title, note: paper }))}
      value={null}
      placeholder="Choose a paper"
      onChange={(chosen) => {
        const example = examples.find(({ name }) => name === chosen);
        if (example) onChoose(example);
      }}
    />
  );
}

function Papers({ examples, onChoose }: ExamplesProps) {
  return (
    <section aria-labelledby="papers">
      <h2 id="papers">Begin with a paper</h2>
      <ul className="examples">
        {examples.map((example) => (
          <li key={example.name}>
            <Button kind="quiet" onPress={() => onChoose(example)}>
              {example.title}
            </Button>
            <span className="quiet">
              {example.summary}{" "}
              <a href={example.url} target="_blank" rel="noreferrer">
                {example.paper}
              </a>
            </span>
          </li>
        ))}
      </ul>
    </section>
  );
}
