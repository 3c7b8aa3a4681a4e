import { useMemo, useState } from "react";
import {
  Autocomplete,
  Collection,
  Header,
  Input,
  ListBox,
  ListBoxItem,
  ListBoxSection,
  SearchField,
} from "react-aria-components";
import { useLocation } from "wouter";
import { useIndex } from "../api/microscope";
import { useClasses, useImages, useNetwork, useTechniques } from "../api/queries";
import { Window, type WindowProps } from "../parts/window";
import { pages } from "../scope/links";
import { address } from "./address";

interface Hit {
  id: string;
  name: string;
  note: string;
}
interface Section {
  id: string;
  hits: Hit[];
}

const MOST = 8;

function matching(hits: Hit[], text: string): Hit[] {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const found = hits.filter((hit) => {
    const all = `${hit.name} ${hit.note} ${hit.id}`.toLowerCase();
    return words.every((word) => all.includes(word));
  });
  const starts = (hit: Hit) => (hit.name.toLowerCase().startsWith(text.toLowerCase()) ? 0 : 1);
  return found.sort((a, b) => starts(a) - starts(b)).slice(0, MOST);
}

function useSections(text: string): Section[] {
  const techniques = useTechniques().data;
  const images = useImages().data;
  const network = useNetwork(new URLSearchParams(window.location.search).get("network"));
  const classes = useClasses(network?.id, text).data;
  const index = useIndex(new URLSearchParams(window.location.search).get("index"));
  return useMemo(() => {
    const here = new URLSearchParams(window.location.search);
    const image = here.get("image");
    const lab = (technique: string, target?: string) =>
      address("/lab", {
        technique,
        image,
        network: here.get("network"),
        options: target === undefined ? null : JSON.stringify({ target }),
      });
    const sections: Section[] = [
      {
        id: "Techniques",
        hits: (techniques ?? []).map((t) => ({ id: lab(t.name), name: t.title, note: t.summary })),
      },
      {
        id: "Photographs",
        hits: (images ?? []).map((i) => ({
          id: address("/lab", { image: i.id, technique: here.get("technique") }),
          name: i.name,
          note: `${i.width} × ${i.height}`,
        })),
      },
      {
        id: "Layers",
        hits: (network?.layers ?? []).map((layer) => ({
          id: address("/model", { layer, network: here.get("network") }),
          name: layer,
          note: "layer",
        })),
      },
    ];
    const found = sections.map(({ id, hits }) => ({ id, hits: matching(hits, text) }));
    const named = (classes ?? []).slice(0, MOST).map((one) => ({
      id: lab("class_image", one.name),
      name: one.name,
      note: `class ${one.index}: what the network imagines`,
    }));
    const pushing = (classes ?? []).slice(0, MOST).map((one) => ({
      id: pages.pushing(index?.id ?? "", one.index),
      name: one.name,
      note: "units that make the network say so",
    }));
    if (text) found.push({ id: "Classes", hits: named });
    if (text && index && index.network === network?.name)
      found.push({ id: "Units", hits: pushing });
    return found.filter((section) => section.hits.length > 0);
  }, [techniques, images, network, classes, index, text]);
}

export function Search(props: WindowProps) {
  return (
    <Window title="Search" {...props}>
      <Finder close={() => props.onOpenChange(false)} />
    </Window>
  );
}

function Finder({ close }: { close: () => void }) {
  const [text, setText] = useState("");
  const [, navigate] = useLocation();
  const sections = useSections(text);
  return (
    <Autocomplete inputValue={text} onInputChange={setText}>
      <SearchField aria-label="Search" autoFocus className="search-field">
        <Input placeholder="A technique, photograph, layer or class" />
      </SearchField>
      <ListBox
        aria-label="What was found"
        className="list search-list"
        items={sections}
        renderEmptyState={() => <p className="quiet">Nothing has these words.</p>}
        onAction={(key) => {
          close();
          navigate(String(key));
        }}
      >
        {(section) => (
          <ListBoxSection id={section.id}>
            <Header>{section.id}</Header>
            <Collection items={section.hits}>
              {(hit) => (
                <ListBoxItem id={hit.id} textValue={hit.name} className="list-item">
                  <span>{hit.name}</span>
                  <span className="quiet clip">{hit.note}</span>
                </ListBoxItem>
              )}
            </Collection>
          </ListBoxSection>
        )}
      </ListBox>
    </Autocomplete>
  );
}
