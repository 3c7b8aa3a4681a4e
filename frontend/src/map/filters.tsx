import { useState } from "react";
import type { MapInfo } from "../api/schema";
import { Button } from "../parts/button";
import { NumberBox, TextBox } from "../parts/fields";
import { Window } from "../parts/window";
import { number } from "../parts/words";
import { type Column, counted, range } from "./columns";
import { useColumns } from "./data";
import type { Condition, Filter } from "./state";

interface Props {
  info: MapInfo;
  filter: Filter;
  onChange: (filter: Filter) => void;
  isOpen: boolean;
  onOpenChange: (open: boolean) => void;
}

/** A window that says, column by column, which photographs are shown. */
export function Filters({ info, filter, onChange, isOpen, onOpenChange }: Props) {
  const names = info.columns.map(({ name }) => name).filter((name) => name !== "path");
  const columns = useColumns(isOpen ? info : undefined, names);
  const set = (name: string, condition: Condition) => onChange({ ...filter, [name]: condition });
  return (
    <Window title="Filter" isOpen={isOpen} onOpenChange={onOpenChange}>
      {[...columns.values()].map((column) =>
        column.words ? (
          <Words
            key={column.name}
            column={column}
            words={column.words}
            kept={wordsOf(filter[column.name])}
            onChange={(words) => set(column.name, { words })}
          />
        ) : (
          <Bounds
            key={column.name}
            column={column}
            condition={filter[column.name]}
            onChange={(condition) => set(column.name, condition)}
          />
        ),
      )}
      <p className="links">
        <Button onPress={() => onChange({})}>Show all</Button>
        <Button kind="main" onPress={() => onOpenChange(false)}>
          Done
        </Button>
      </p>
    </Window>
  );
}

export const wordsOf = (condition: Condition | undefined): string[] =>
  condition && "words" in condition ? condition.words : [];

/** The words with one more, or without it. */
export const toggled = (words: readonly string[], word: string): string[] =>
  words.includes(word) ? words.filter((other) => other !== word) : [...words, word];

const LISTED = 30;

interface WordsProps {
  column: Column;
  words: readonly string[];
  kept: string[];
  onChange: (words: string[]) => void;
}

function Words({ column, words, kept, onChange }: WordsProps) {
  const [text, setText] = useState("");
  const all = counted(column, column.values.keys()).filter(([word]) => words[word] !== "");
  const found = all.filter(([word]) => words[word]?.toLowerCase().includes(text.toLowerCase()));
  const listed = found.slice(0, LISTED);
  return (
    <fieldset className="map-filter">
      <legend>{column.title}</legend>
      {all.length > LISTED && (
        <TextBox label={`Find among ${number(all.length)}`} value={text} onChange={setText} />
      )}
      <div className="map-words">
        {listed.map(([word, count]) => (
          <label key={word} className="map-word">
            <input
              type="checkbox"
              checked={kept.includes(words[word] ?? "")}
              onChange={() => onChange(toggled(kept, words[word] ?? ""))}
            />
            <span className="clip">{words[word]}</span>
            <span className="map-count">{number(count)}</span>
          </label>
        ))}
      </div>
      {found.length > LISTED && (
        <p className="quiet">
          The {LISTED} most frequent of {number(found.length)}. Type to find others.
        </p>
      )}
    </fieldset>
  );
}

interface BoundsProps {
  column: Column;
  condition: Condition | undefined;
  onChange: (condition: Condition) => void;
}

function Bounds({ column, condition, onChange }: BoundsProps) {
  const [low, high] = range(column);
  const bounds = condition && "from" in condition ? condition : { from: null, to: null };
  return (
    <fieldset className="map-filter map-bounds">
      <legend>{column.title}</legend>
      <NumberBox
        label="From"
        value={bounds.from ?? undefined}
        placeholder={number(low)}
        onChange={(value) => onChange({ ...bounds, from: value ?? null })}
      />
      <NumberBox
        label="To"
        value={bounds.to ?? undefined}
        placeholder={number(high)}
        onChange={(value) => onChange({ ...bounds, to: value ?? null })}
      />
    </fieldset>
  );
}
