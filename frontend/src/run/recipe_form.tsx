import type { Call, NetworkInfo, RecipeParts, Vocabulary, Word } from "../api/schema";
import { Button } from "../parts/button";
import { ChoiceBox, NumberBox } from "../parts/fields";
import { begun, CallForm } from "./part_form";

interface Props {
  recipe: RecipeParts;
  vocabulary: Vocabulary;
  onChange: (recipe: RecipeParts) => void;
  network: NetworkInfo | undefined;
}

const first = (words: Word[]): Call => begun(words[0]);
const without = <T,>(list: readonly T[], index: number) =>
  list.filter((_, other) => other !== index);
const replaced = <T,>(list: readonly T[], index: number, item: T) =>
  list.map((old, other) => (other === index ? item : old));

/** The sentence of a recipe: from a start, climb an objective, under a rule, with priors. */
export function RecipeForm({ recipe, vocabulary, onChange, network }: Props) {
  const set = (part: Partial<RecipeParts>) => onChange({ ...recipe, ...part });
  const priors = recipe.priors ?? [];
  return (
    <div className="recipe">
      <fieldset>
        <legend>From a start</legend>
        <CallForm
          label="Start"
          words={vocabulary.starts}
          call={recipe.start}
          onChange={(start) => set({ start })}
          network={network}
        />
      </fieldset>
      <Objective recipe={recipe} vocabulary={vocabulary} onChange={onChange} network={network} />
      <fieldset>
        <legend>under a backward rule</legend>
        <Rule recipe={recipe} vocabulary={vocabulary} onChange={onChange} network={network} />
      </fieldset>
      <fieldset>
        <legend>with priors</legend>
        {priors.map((prior, index) => (
          <CallForm
            key={index}
            label={`Prior ${index + 1}`}
            words={vocabulary.priors}
            call={prior}
            onChange={(next) => set({ priors: replaced(priors, index, next) })}
            network={network}
          >
            <Button
              kind="quiet"
              aria-label={`Take away prior ${index + 1}`}
              onPress={() => set({ priors: without(priors, index) })}
            >
              Take away
            </Button>
          </CallForm>
        ))}
        <Button onPress={() => set({ priors: [...priors, first(vocabulary.priors)] })}>
          Add a prior
        </Button>
      </fieldset>
      <fieldset>
        <legend>by an optimizer</legend>
        <CallForm
          label="Optimizer"
          words={vocabulary.optimizers}
          call={recipe.optimizer}
          onChange={(optimizer) => set({ optimizer })}
          network={network}
        />
        <NumberBox
          label="Steps"
          value={recipe.steps}
          onChange={(steps) => set({ steps: steps ?? 1 })}
          minimum={1}
          whole
        />
      </fieldset>
    </div>
  );
}

function Objective({ recipe, vocabulary, onChange, network }: Props) {
  const terms = recipe.objective;
  const set = (objective: RecipeParts["objective"]) => onChange({ ...recipe, objective });
  return (
    <fieldset>
      <legend>climb an objective</legend>
      {terms.map((term, index) => (
        <div key={index} className="term">
          <CallForm
            label={terms.length > 1 ? `Term ${index + 1}` : "Objective"}
            words={vocabulary.objectives}
            call={term.call}
            onChange={(call) => set(replaced(terms, index, { ...term, call }))}
            network={network}
          >
            {terms.length > 1 && (
              <Button
                kind="quiet"
                aria-label={`Take away term ${index + 1}`}
                onPress={() => set(without(terms, index))}
              >
                Take away
              </Button>
            )}
          </CallForm>
          <NumberBox
            label={terms.length > 1 ? `Weight of term ${index + 1}` : "Weight"}
            value={term.weight}
            onChange={(weight) => set(replaced(terms, index, { ...term, weight: weight ?? 1 }))}
          />
        </div>
      ))}
      <Button onPress={() => set([...terms, { weight: 1, call: first(vocabulary.objectives) }])}>
        Add a term
      </Button>
    </fieldset>
  );
}

const PLAIN = "plain gradients";

function Rule({ recipe, vocabulary, onChange, network }: Props) {
  const set = (rule: Call | null) => onChange({ ...recipe, rule });
  if (recipe.rule == null) {
    const names = vocabulary.rules.map(({ name, summary }) => ({ id: name, name, note: summary }));
    return (
      <ChoiceBox
        label="Rule"
        choices={names}
        value={null}
        placeholder={PLAIN}
        onChange={(word) => set({ word, arguments: {} })}
      />
    );
  }
  return (
    <CallForm
      label="Rule"
      words={vocabulary.rules}
      call={recipe.rule}
      onChange={set}
      network={network}
    >
      <Button kind="quiet" aria-label="Take away the rule" onPress={() => set(null)}>
        Take away
      </Button>
    </CallForm>
  );
}
