import type { Size, View } from "./camera";

const MARGIN = 0.25; // of the longer side is drawn beyond each edge, so that it need not be soon
const PATIENCE = 150; // milliseconds that a view may be scaled before it is drawn anew

/** A canvas larger than the window, which moves with the view and is seldom drawn anew: without a
 * graphics card, drawing and even copying what was drawn is slow. */
export class Layer {
  size: Size = { width: 1, height: 1 };
  stale = true;
  #ratio = 1;
  #view: View = { x: 0, y: 0, scale: 1 };
  #drawn = 0;

  constructor(readonly canvas: HTMLCanvasElement) {}

  resize({ width, height }: Size, ratio: number): void {
    const margin = 2 * Math.round(MARGIN * Math.max(width, height) * ratio);
    this.canvas.width = Math.round(width * ratio) + margin;
    this.canvas.height = Math.round(height * ratio) + margin;
    this.size = { width: this.canvas.width / ratio, height: this.canvas.height / ratio };
    this.canvas.style.width = `${this.size.width}px`;
    this.canvas.style.height = `${this.size.height}px`;
    this.#ratio = ratio;
    this.stale = true;
  }

  /** Whether it must be drawn anew for a view. One that rests is to be sharp. */
  needs(view: View, size: Size, rests: boolean): boolean {
    if (this.stale) return true;
    const scaled = view.scale !== this.#view.scale;
    if (scaled) return rests || performance.now() - this.#drawn > PATIENCE;
    const x = Math.abs(view.x - this.#view.x) * view.scale;
    const y = Math.abs(view.y - this.#view.y) * view.scale;
    return 2 * x > this.size.width - size.width || 2 * y > this.size.height - size.height;
  }

  /** It shows this view now. */
  show(view: View): void {
    this.#view = view;
    this.#drawn = performance.now();
    this.stale = false;
  }

  /** Put it where a view has it. */
  move(view: View, size: Size): void {
    const larger = view.scale / this.#view.scale;
    const whole = (pixels: number) => Math.round(pixels * this.#ratio) / this.#ratio;
    const x = (this.#view.x - view.x) * view.scale + (size.width - larger * this.size.width) / 2;
    const y = (this.#view.y - view.y) * view.scale + (size.height - larger * this.size.height) / 2;
    this.canvas.style.transform = `translate(${whole(x)}px, ${whole(y)}px) scale(${larger})`;
  }
}
