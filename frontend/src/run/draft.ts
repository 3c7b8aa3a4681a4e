import { useEffect, useRef, useState } from "react";
import { api } from "../api/client";
import { useImages, useNetwork, useTechniques } from "../api/queries";
import type { RunRequest } from "../api/schema";
import { address, useAddress } from "../app/address";
import type { Values } from "../form/schema";

export interface Draft {
  technique: string | null;
  network: string | null;
  image: string | null;
  options: Values;
  check: boolean;
}

export function parseObject(text: string | null): Values {
  try {
    const value: unknown = JSON.parse(text ?? "{}");
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as Values)
      : {};
  } catch {
    return {};
  }
}

function read(search: string): Draft {
  const parameters = new URLSearchParams(search);
  return {
    technique: parameters.get("technique"),
    network: parameters.get("network"),
    image: parameters.get("image"),
    options: parseObject(parameters.get("options")),
    check: parameters.get("check") === "1",
  };
}

function written(draft: Draft) {
  const options = Object.keys(draft.options).length > 0 ? JSON.stringify(draft.options) : null;
  const { technique, network, image } = draft;
  return { technique, network, image, options, check: draft.check ? "1" : null };
}

const same = (one: Draft, other: Draft) => JSON.stringify(one) === JSON.stringify(other);
const DELAY = 250;

/** What is to be run. It stands in the page's address, a moment after it changed. */
export function useDraft() {
  const { get, navigate } = useAddress();
  const [draft, setDraft] = useState(() => read(window.location.search));
  const search = window.location.search;
  const wrote = useRef(search);

  useEffect(() => {
    if (search === wrote.current) return;
    wrote.current = search;
    setDraft((now) => (same(read(search), now) ? now : read(search)));
  }, [search]);

  useEffect(() => {
    const timer = setTimeout(() => {
      const now = window.location.search;
      if (same(read(now), draft)) return;
      const next = address(window.location.pathname, written(draft), now);
      wrote.current = next.slice(next.indexOf("?"));
      navigate(next, { replace: true });
    }, DELAY);
    return () => clearTimeout(timer);
  }, [draft, navigate]);

  const run = get("run");
  useEffect(() => {
    if (run === null || draft.technique !== null) return;
    api.run(run).then(
      ({ request }) => setDraft(drafted(request)),
      () => {},
    );
  }, [run, draft.technique]);

  const change = (part: Partial<Draft>) => setDraft((now) => ({ ...now, ...part }));
  return { draft, change };
}

function drafted(request: RunRequest): Draft {
  return {
    technique: request.technique,
    network: request.network ?? null,
    image: request.image ?? null,
    options: request.options ?? {},
    check: request.check ?? false,
  };
}

/** The draft's technique, network and image, or the usual ones. */
export function useChosen(draft: Draft, usual: string) {
  const techniques = useTechniques().data;
  const images = useImages().data;
  const technique = techniques?.find(({ name }) => name === (draft.technique ?? usual));
  const network = useNetwork(draft.network, technique?.network);
  const image = images?.find(({ id }) => id === draft.image) ?? images?.[0];
  return { techniques, technique, network, image };
}

export type Chosen = ReturnType<typeof useChosen>;

/** The request of a draft, or the reason why it cannot be run. */
export function requestOf(draft: Draft, chosen: Chosen): RunRequest | string {
  const { technique, network, image } = chosen;
  if (!technique) return "Choose a technique.";
  if (technique.unavailable) return technique.unavailable;
  if (technique.needs_image && !image) return "Choose a photograph.";
  if (technique.takes_network && !network) return "There is no network.";
  return {
    technique: technique.name,
    network: technique.takes_network ? (network?.id ?? null) : null,
    image:
      technique.needs_image || (technique.takes_image && draft.image) ? (image?.id ?? null) : null,
    options: draft.options,
    check: draft.check && technique.attribution,
  };
}
