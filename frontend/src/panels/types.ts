import type { FrameInfo } from "../api/schema";

export type PanelInfo = FrameInfo["panels"][number];

/** A place in the part of the photograph that the network sees, both from 0 to 1. */
export interface Place {
  x: number;
  y: number;
}

export interface Scale {
  low: number;
  high: number;
}

export interface PanelContext {
  /** The address of a blob of the frame. */
  blob: (blob: number) => string;
  /** How opaque maps lie over their photographs, from 0 to 1. */
  opacity: number;
  /** The values of the first and last color, where several maps share one scale. */
  scale: Scale | null;
  /** What the technique scored, in words. */
  score?: string;
  /** A target that was picked: a unit or a neuron. */
  onPick?: (target: string) => void;
  onPlace?: (place: Place) => void;
}

/** A picture in words: what it shows, of which class, with what score. */
export function told(caption: string | undefined, { score }: PanelContext): string {
  return [caption || "Picture", score].filter(Boolean).join(", ");
}

/** Left, top, right and bottom, as fractions of a picture. */
export type Box = [number, number, number, number];

/** A rectangle as CSS wants it. */
export function placed([left, top, right, bottom]: Box) {
  const per = (value: number) => `${value * 100}%`;
  return { left: per(left), top: per(top), width: per(right - left), height: per(bottom - top) };
}

export function boxOf(panel: { box?: unknown }): Box {
  return (panel.box as Box | null | undefined) ?? [0, 0, 1, 1];
}

/** Where a pointer is on an element, both from 0 to 1. */
export function placeOf(event: { clientX: number; clientY: number }, element: Element): Place {
  const bounds = element.getBoundingClientRect();
  const within = (value: number) => Math.min(0.999999, Math.max(0, value));
  return {
    x: within((event.clientX - bounds.left) / bounds.width),
    y: within((event.clientY - bounds.top) / bounds.height),
  };
}
