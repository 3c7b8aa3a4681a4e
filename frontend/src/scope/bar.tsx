import { Link } from "wouter";
import { useSession } from "../api/queries";
import type { IndexInfo } from "../api/schema";
import { useAddress } from "../app/address";
import { ChoiceBox } from "../parts/fields";
import { number } from "../parts/words";
import { pages } from "./links";

export type Page = "units" | "photographs" | "confusions";

/** The pages of an index; where there are several indexes, one to choose from. */
export function ScopeBar({ index, page }: { index: IndexInfo; page: Page }) {
  const indexes = useSession().data?.indexes ?? [];
  const { navigate } = useAddress();
  const links: [Page | "map", string, string][] = [
    ["units", "Units", pages.units(index.id)],
    ["photographs", "Photographs", pages.photograph(index.id, 0)],
    ["confusions", "Confusions", pages.confusions(index.id)],
    ["map", "Map", pages.map(index.id)],
  ];
  return (
    <nav className="scope-bar" aria-label="The index">
      {indexes.length > 1 ? (
        <ChoiceBox
          label="Index"
          choices={indexes.map(({ id, name }) => ({ id, name }))}
          value={index.id}
          onChange={(id) => navigate(pages.units(id))}
        />
      ) : (
        <span className="scope-name">
          <strong>{index.name}</strong>{" "}
          <span className="quiet">
            {number(index.photographs)} photographs, {index.network}
          </span>
        </span>
      )}
      <span className="scope-links">
        {links.map(([id, name, to]) => (
          <Link key={id} href={to} aria-current={id === page ? "page" : undefined}>
            {name}
          </Link>
        ))}
      </span>
    </nav>
  );
}

/** What is said where the explorer has no index. */
export function NoIndex({ asked }: { asked: boolean }) {
  return (
    <div className="page">
      <h1>{asked ? "There is no index yet" : "Loading…"}</h1>
      {asked && (
        <>
          <p>
            An index says what each unit answers to in a folder of photographs. Make one, then start
            the explorer with it:
          </p>
          <pre className="snippet">
            convscope index FOLDER -o INDEX{"\n"}convscope explore --index INDEX
          </pre>
        </>
      )}
    </div>
  );
}
