import type { ReactNode } from "react";
import type { Call, NetworkInfo, Word } from "../api/schema";
import { SchemaForm } from "../form/form";
import { Button } from "../parts/button";
import { ChoiceBox } from "../parts/fields";
import { Prose } from "../parts/prose";

type Field = { format?: string; title?: string; items?: { format?: string } };
type Fields = Record<string, Field>;

const fieldsOf = (word: Word | undefined) => (word?.arguments.properties ?? {}) as Fields;
const takesWords = ({ items }: Field) => items?.format === "call";

/** A word with the arguments that it cannot do without, as far as they are known. */
export function begun(word: Word | undefined): Call {
  const fields = fieldsOf(word);
  const required = (word?.arguments.required ?? []) as string[];
  const photographs = required.filter((name) => fields[name]?.format === "photo");
  const given = Object.fromEntries(photographs.map((name) => [name, "image"]));
  return { word: word?.name ?? "", arguments: given };
}

interface CallProps {
  label: string;
  words: Word[];
  call: Call;
  onChange: (call: Call) => void;
  network: NetworkInfo | undefined;
  children?: ReactNode;
}

/** A word of the vocabulary with its own little form. */
export function CallForm({ label, words, call, onChange, network, children }: CallProps) {
  const word = words.find(({ name }) => name === call.word);
  const choices = words.map(({ name, summary }) => ({ id: name, name, note: summary }));
  const values = call.arguments ?? {};
  const set = (changed: Record<string, unknown>) =>
    onChange({ word: call.word, arguments: changed });
  const lists = Object.entries(fieldsOf(word)).filter(([, field]) => takesWords(field));
  const plain = word && withoutWords(word);
  return (
    <div className="call">
      <div className="call-word">
        <ChoiceBox
          label={label}
          choices={choices}
          value={call.word}
          onChange={(name) => onChange(begun(words.find((one) => one.name === name)))}
        />
        {children}
      </div>
      {word && (
        <p className="quiet call-note">
          <Prose text={word.summary} />
        </p>
      )}
      {lists.map(([name, { title }]) => (
        <CallList
          key={name}
          label={title ?? name}
          words={words.filter((one) => one.name !== call.word)}
          calls={(values[name] as Call[] | undefined) ?? []}
          onChange={(calls) => set({ ...values, [name]: calls })}
          network={network}
        />
      ))}
      {plain && Object.keys(plain.properties).length > 0 && (
        <SchemaForm
          key={call.word}
          schema={plain}
          values={values}
          onChange={(next) =>
            set({ ...Object.fromEntries(lists.map(([name]) => [name, values[name]])), ...next })
          }
          network={network}
        />
      )}
    </div>
  );
}

function withoutWords({ arguments: schema }: Word) {
  const fields = Object.entries((schema.properties ?? {}) as Fields);
  const kept = fields.filter(([, field]) => !takesWords(field));
  const required = ((schema.required ?? []) as string[]).filter((name) =>
    kept.some(([other]) => other === name),
  );
  return { ...schema, properties: Object.fromEntries(kept), required };
}

interface ListProps {
  label: string;
  words: Word[];
  calls: Call[];
  onChange: (calls: Call[]) => void;
  network: NetworkInfo | undefined;
}

/** Words that are the argument of another word. */
function CallList({ label, words, calls, onChange, network }: ListProps) {
  return (
    <fieldset className="call-list">
      <legend>{label}</legend>
      {calls.map((call, index) => (
        <CallForm
          key={index}
          label={`Number ${index + 1}`}
          words={words}
          call={call}
          onChange={(next) => onChange(calls.map((old, at) => (at === index ? next : old)))}
          network={network}
        >
          <Button
            kind="quiet"
            aria-label={`Take away number ${index + 1}`}
            onPress={() => onChange(calls.filter((_, at) => at !== index))}
          >
            Take away
          </Button>
        </CallForm>
      ))}
      <Button onPress={() => onChange([...calls, begun(words[0])])}>Add one</Button>
    </fieldset>
  );
}
