import { Input, Label, SearchField, ToggleButton, ToggleButtonGroup } from "react-aria-components";
import type { IndexInfo, MapInfo } from "../api/schema";
import { Button, IconButton } from "../parts/button";
import { ChoiceBox } from "../parts/fields";
import { CloseIcon, MinusIcon, PlusIcon } from "../parts/icons";
import { ORDER } from "./data";
import type { Tool } from "./gestures";
import type { Wanted } from "./wanted";

interface Props {
  info: MapInfo;
  indexes: IndexInfo[];
  onIndex: (id: string) => void;
  wanted: Wanted;
  /** What dragging does; null where there is no map. */
  tool: Tool | null;
  onTool: (tool: Tool) => void;
  onFilter: () => void;
  onWhole: () => void;
  onZoom: (factor: number) => void;
}

const TOOLS: readonly [Tool, string][] = [
  ["move", "Move"],
  ["lasso", "Lasso"],
  ["rectangle", "Rectangle"],
];

/** What is seen of a collection, and how. */
export function Bar(props: Props) {
  const { info, indexes, wanted, tool } = props;
  return (
    <header className="map-bar">
      <h1>Map</h1>
      {indexes.length > 1 && (
        <ChoiceBox
          label="Collection"
          choices={indexes.map(({ id, name }) => ({ id, name }))}
          value={info.id}
          onChange={props.onIndex}
        />
      )}
      {tool && (
        <ChoiceBox
          label="Layout"
          choices={[
            ...info.layouts.map(({ method, title, made }) => ({
              id: method,
              name: title,
              ...(made ? {} : { note: "to be made" }),
            })),
            { id: ORDER, name: "Order of the files" },
          ]}
          value={wanted.layout}
          onChange={wanted.setLayout}
        />
      )}
      <ChoiceBox
        label="Color by"
        choices={[
          ...info.columns
            .filter(({ name }) => name !== "path")
            .map(({ name, title }) => ({ id: name, name: title })),
          { id: "none", name: "Nothing" },
        ]}
        value={wanted.color ?? "none"}
        onChange={wanted.setColor}
      />
      <SearchField className="field map-search" value={wanted.search} onChange={wanted.setSearch}>
        <Label>Search</Label>
        <Input placeholder="Path, label or class" />
      </SearchField>
      <Button onPress={props.onFilter}>Filter</Button>
      {tool && (
        <>
          <ToggleButtonGroup
            className="map-tools"
            aria-label="What dragging does"
            selectionMode="single"
            disallowEmptySelection
            selectedKeys={[tool]}
            onSelectionChange={([key]) => props.onTool((key as Tool | undefined) ?? "move")}
          >
            {TOOLS.map(([id, name]) => (
              <ToggleButton key={id} id={id} className="map-tool">
                {name}
              </ToggleButton>
            ))}
          </ToggleButtonGroup>
          <div className="map-zoom">
            <IconButton label="Closer" onPress={() => props.onZoom(1.6)}>
              <PlusIcon />
            </IconButton>
            <IconButton label="Farther" onPress={() => props.onZoom(1 / 1.6)}>
              <MinusIcon />
            </IconButton>
            <Button kind="quiet" onPress={props.onWhole}>
              Show all
            </Button>
          </div>
        </>
      )}
    </header>
  );
}

/** What limits the photographs; a press takes it away. */
export function Chips({ info, wanted }: { info: MapInfo; wanted: Wanted }) {
  const { choice, choose, filter, setFilter } = wanted;
  const titles = new Map(info.columns.map(({ name, title }) => [name, title]));
  const conditions = Object.entries(filter).filter(([name]) => titles.has(name));
  if (conditions.length === 0 && !choice) return null;
  return (
    <ul className="map-chips" aria-label="What limits the photographs">
      {choice && (
        <Chip name="Choice" onPress={() => choose(null)}>
          {choice.kind === "near" ? `nearest to photograph ${choice.row}` : "chosen"}
        </Chip>
      )}
      {conditions.map(([name, condition]) => (
        <Chip
          key={name}
          name={titles.get(name) ?? name}
          onPress={() => setFilter({ ...filter, [name]: { words: [] } })}
        >
          {titles.get(name)}:{" "}
          {"words" in condition
            ? condition.words.join(", ")
            : `${condition.from ?? "lowest"} to ${condition.to ?? "highest"}`}
        </Chip>
      ))}
    </ul>
  );
}

interface ChipProps {
  name: string;
  children: React.ReactNode;
  onPress: () => void;
}

function Chip({ name, children, onPress }: ChipProps) {
  return (
    <li className="map-chip">
      <span className="clip">{children}</span>
      <IconButton label={`Forget: ${name}`} onPress={onPress}>
        <CloseIcon />
      </IconButton>
    </li>
  );
}
