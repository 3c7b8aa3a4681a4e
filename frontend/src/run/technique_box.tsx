import {
  Button,
  Collection,
  Header,
  Label,
  ListBox,
  ListBoxItem,
  ListBoxSection,
  Popover,
  Select,
  SelectValue,
} from "react-aria-components";
import type { TechniqueInfo } from "../api/schema";
import { DownIcon } from "../parts/icons";
import { Prose } from "../parts/prose";

interface Props {
  techniques: TechniqueInfo[];
  value: TechniqueInfo | undefined;
  onChange: (name: string) => void;
}

/** The techniques by chapter; what the chosen one does, and its paper. */
export function TechniqueBox({ techniques, value, onChange }: Props) {
  const chapters = [...new Set(techniques.map(({ chapter }) => chapter))].map((id) => ({
    id,
    techniques: techniques
      .filter(({ chapter }) => chapter === id)
      .map((technique) => ({ ...technique, id: technique.name })),
  }));
  return (
    <div className="technique">
      <Select
        className="field"
        value={value?.name ?? null}
        onChange={(key) => key !== null && onChange(String(key))}
        placeholder="Loading…"
      >
        <Label>Technique</Label>
        <Button className="select-button">
          <SelectValue>{({ defaultChildren }) => value?.title ?? defaultChildren}</SelectValue>
          <DownIcon />
        </Button>
        <Popover className="popover technique-list">
          <ListBox items={chapters} className="list">
            {(chapter) => (
              <ListBoxSection id={chapter.id}>
                <Header>{chapter.id}</Header>
                <Collection items={chapter.techniques}>
                  {(technique) => (
                    <ListBoxItem textValue={technique.title} className="list-item">
                      <span>{technique.title}</span>
                      <span className="quiet clip">{technique.summary}</span>
                    </ListBoxItem>
                  )}
                </Collection>
              </ListBoxSection>
            )}
          </ListBox>
        </Popover>
      </Select>
      {value && (
        <div className="technique-note">
          <p>
            <Prose text={value.summary} />
          </p>
          <p className="quiet">
            <a href={value.url} target="_blank" rel="noreferrer">
              {value.paper}
            </a>
            {value.package && ` · from ${value.package}`}
          </p>
        </div>
      )}
    </div>
  );
}
