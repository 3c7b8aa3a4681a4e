import { useEffect, useLayoutEffect, useRef } from "react";

/** A page that was come to by a link is seen from its top; Back leads to where one was. */
export function useTopOfPage(path: string): void {
  const back = useRef(false);
  useEffect(() => {
    const went = () => {
      back.current = true;
    };
    window.addEventListener("popstate", went);
    return () => window.removeEventListener("popstate", went);
  }, []);
  useLayoutEffect(() => {
    if (!back.current && !window.location.hash) window.scrollTo(0, 0);
    back.current = false;
  }, [path]);
}
