import { useEffect, useRef } from "react";
import { Link, useLocation } from "wouter";
import { IconButton } from "../parts/button";
import { MoonIcon, SearchIcon, SunIcon } from "../parts/icons";
import { setTheme, useTheme } from "./theme";

const PAGES = [
  ["/lab", "Lab"],
  ["/composer", "Composer"],
  ["/live", "Live"],
  ["/style", "Style"],
  ["/fool", "Fool"],
  ["/model", "Model"],
  ["/units", "Units"],
  ["/map", "Map"],
  ["/runs", "Runs"],
] as const;

interface Props {
  onSearch: () => void;
  onHelp: () => void;
}

export function Header({ onSearch, onHelp }: Props) {
  const [path] = useLocation();
  const theme = useTheme();
  const other = theme === "dark" ? "light" : "dark";
  const here = path.split("/")[1];
  const nav = useRef<HTMLElement>(null);
  useEffect(() => {
    // On a phone, not all pages have room: the one that is open is in sight.
    const link = nav.current?.querySelector<HTMLElement>(`[href="/${here}"]`);
    if (!link || !nav.current) return;
    nav.current.scrollLeft = link.offsetLeft - nav.current.offsetLeft - nav.current.clientWidth / 2;
  }, [here]);
  return (
    <header className="header">
      <Link href="/" className="wordmark">
        <img src="/icon.svg" alt="" width="22" height="22" />
        convscope
      </Link>
      <nav aria-label="Pages" ref={nav}>
        {PAGES.map(([to, name]) => (
          <Link key={to} href={to} aria-current={here === to.slice(1) ? "page" : undefined}>
            {name}
          </Link>
        ))}
      </nav>
      <div className="header-tools">
        <IconButton label="Search (/)" onPress={onSearch}>
          <SearchIcon />
        </IconButton>
        <IconButton label={`Use ${other} colors`} onPress={() => setTheme(other)}>
          {theme === "dark" ? <SunIcon /> : <MoonIcon />}
        </IconButton>
        <IconButton label="Help (?)" onPress={onHelp}>
          <span aria-hidden="true">?</span>
        </IconButton>
      </div>
    </header>
  );
}
