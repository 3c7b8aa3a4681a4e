import { type RefObject, useEffect, useState } from "react";

/** Tiles side by side in a sheet of the server. */
export const COLUMNS = 8;

interface Piece {
  /** The address of a picture of many tiles. */
  sheet: string | null;
  /** The tile's place in it, row by row. */
  place: number;
  columns: number;
  count: number;
  label?: string;
  /** Whether its pixels are to be seen as squares. */
  pixels?: boolean;
}

/** One tile of a sheet: many pictures in one are quicker than many. */
export function SheetTile({ sheet, place, columns, count, label, pixels = false }: Piece) {
  const rows = Math.ceil(count / columns);
  const [row, column] = [Math.floor(place / columns), place % columns];
  return (
    <span
      {...(label ? { role: "img", "aria-label": label } : { "aria-hidden": true })}
      className={pixels ? "sheet-tile pixels" : "sheet-tile"}
      style={{
        backgroundImage: sheet ? `url("${sheet}")` : "none",
        backgroundSize: `${columns * 100}% ${rows * 100}%`,
        backgroundPosition: `${share(column, columns)}% ${share(row, rows)}%`,
      }}
    />
  );
}

const share = (at: number, count: number) => (count > 1 ? (at / (count - 1)) * 100 : 0);

const PATIENCE = 120;

/** An address once it has been wanted for a moment: what is scrolled past is not asked for. */
export function useSettled(address: string | null): string | null {
  const [settled, setSettled] = useState<string | null>(() => (seen.has(address) ? address : null));
  useEffect(() => {
    if (seen.has(address)) {
      setSettled(address);
      return;
    }
    const timer = setTimeout(() => {
      if (address) seen.add(address);
      setSettled(address);
    }, PATIENCE);
    return () => clearTimeout(timer);
  }, [address]);
  return settled;
}

const seen = new Set<string | null>([null]);

/** Whether an element has been near what is seen of the page: pictures elsewhere can wait. */
export function useNear(element: RefObject<Element | null>): boolean {
  const [near, setNear] = useState(false);
  useEffect(() => {
    if (near || !element.current) return;
    const observer = new IntersectionObserver(
      (entries) => entries.some((entry) => entry.isIntersecting) && setNear(true),
      { rootMargin: "400px" },
    );
    observer.observe(element.current);
    return () => observer.disconnect();
  }, [near, element]);
  return near;
}
