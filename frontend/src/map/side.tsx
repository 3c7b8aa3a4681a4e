import { useMemo } from "react";
import { files } from "../api/microscope";
import type { MapInfo } from "../api/schema";
import { Button } from "../parts/button";
import { ChoiceBox, SwitchBox } from "../parts/fields";
import { number } from "../parts/words";
import { summed } from "./chosen";
import { type Column, valueAt } from "./columns";
import { PhotoList } from "./list";
import type { Choice } from "./state";
import { Chips } from "./tools";
import type { Wanted } from "./wanted";

interface Props {
  info: MapInfo;
  wanted: Wanted;
  columns: ReadonlyMap<string, Column>;
  chosen: readonly number[] | null;
  problem: string | null;
  rows: readonly number[];
  /** Whether there is a map. */
  drawn: boolean;
  onActive: (row: number | null) => void;
}

const MOST = 500; // rows that an address holds

/** The photographs that are chosen, or those in view. */
export function Side({ info, wanted, columns, chosen, problem, rows, drawn, onActive }: Props) {
  const { choice, choose, only } = wanted;
  const marked = useMemo(() => new Set(chosen ?? []), [chosen]);
  const toggle = (row: number) => {
    const before = choice?.kind === "rows" ? choice.rows : [...marked];
    const others = before.filter((other) => other !== row);
    const next = marked.has(row) ? others : [...before, row];
    choose({ kind: "rows", rows: next }, choice !== null && only);
  };
  return (
    <aside
      className="map-side"
      aria-label="Photographs"
      data-choice={choice && only ? "" : undefined}
    >
      <h2 role="status">
        {heading(only ? rows.length : marked.size, info.photographs, choice, drawn)}
      </h2>
      <p className="quiet map-summed clip">{summed(columns.get("label"), rows)}</p>
      <Chips info={info} wanted={wanted} />
      {problem && (
        <p role="alert" className="problem">
          {problem}
        </p>
      )}
      <div className="map-sort">
        <ChoiceBox
          label="Sort by"
          choices={[
            { id: "", name: choice?.kind === "near" ? "Nearness" : "Order of the files" },
            ...info.columns.map(({ name, title }) => ({ id: name, name: title })),
          ]}
          value={wanted.sort ?? ""}
          onChange={wanted.setSort}
        />
        <SwitchBox value={wanted.down} onChange={wanted.setDown}>
          Highest first
        </SwitchBox>
        {!choice && rows.length > 0 && rows.length <= MOST && (
          <Button onPress={() => choose({ kind: "rows", rows: [...rows] }, true)}>
            Choose these
          </Button>
        )}
        {choice?.kind === "rows" && (
          <SwitchBox value={only} onChange={wanted.setOnly}>
            Only the chosen
          </SwitchBox>
        )}
      </div>
      <PhotoList
        name={choice && only ? "Chosen photographs" : "Photographs in view"}
        rows={rows}
        chosen={marked}
        picture={(row) => files.photographs(info, [row])}
        said={(row) => described(columns, row)}
        caption={(row) => captioned(columns, wanted.sort, row)}
        onActive={onActive}
        onOpen={wanted.open}
        onToggle={toggle}
      />
    </aside>
  );
}

type Columns = ReadonlyMap<string, Column>;

function described(columns: Columns, row: number): string {
  const get = (name: string) => {
    const column = columns.get(name);
    return column ? valueAt(column, row) : "";
  };
  const prediction = get("prediction");
  const predicted = prediction && `predicted ${prediction}, ${get("probability")}`;
  const name = get("label") || get("path") || `photograph ${row}`;
  return [name, predicted, get("outcome")].filter(Boolean).join(", ");
}

function captioned(columns: Columns, sort: string | null, row: number): string {
  const column = columns.get(sort ?? "label") ?? columns.get("prediction");
  return (column && valueAt(column, row)) || String(row);
}

function heading(count: number, all: number, choice: Choice | null, drawn: boolean): string {
  const noun = count === 1 ? "photograph" : "photographs";
  if (choice?.kind === "near") return `${number(count)} ${noun} nearest by ${choice.space}`;
  if (choice) return `${number(count)} ${noun} chosen`;
  return drawn && count < all ? `${number(count)} ${noun} in view` : `${number(count)} ${noun}`;
}
