import { type ImgHTMLAttributes, useEffect, useState } from "react";

type Props = ImgHTMLAttributes<HTMLImageElement> & { src: string; alt: string };

/** An image that stays until its successor is decoded, so that a stream of frames does not flicker. */
export function SteadyImage({ src, alt, ...props }: Props) {
  const [shown, setShown] = useState(src);
  useEffect(() => {
    let current = true;
    const next = new Image();
    next.src = src;
    next
      .decode()
      .catch(() => {})
      .then(() => {
        if (current) setShown(src);
      });
    return () => {
      current = false;
    };
  }, [src]);
  return <img {...props} src={shown} alt={alt} draggable={false} />;
}
