import type { Atlas } from "./atlas";
import type { Size, View } from "./camera";
import { compiled, DOTS, type Program, TILES } from "./shaders";

/** Whether a photograph is drawn, and how. */
export const HIDDEN = 0;
export const DIMMED = 1;
export const SHOWN = 2;
export const CHOSEN = 3;

/** What each photograph looks like as a dot: its color (red, green, blue, 255), shape and state. */
export interface Look {
  colors: Uint8Array;
  kinds: Uint8Array;
  states: Uint8Array;
}

/** The browser draws nothing on this machine. */
export class NoWebGL extends Error {}

interface Pass {
  program: WebGLProgram;
  array: WebGLVertexArrayObject;
  at: (name: string) => WebGLUniformLocation | null;
}

/** Draws dots and thumbnails. It knows nothing of pointers and of the server. */
export class Scene {
  readonly gl: WebGL2RenderingContext;
  #dots: Pass;
  #tiles: Pass;
  #buffers = new Map<string, WebGLBuffer>();
  #order: Uint32Array = new Uint32Array();
  #count = 0; // tiles that are drawn

  constructor(readonly canvas: HTMLCanvasElement) {
    // Without `failIfMajorPerformanceCaveat`, a machine without a graphics card draws, too.
    // Nothing shines through: blending it with the page takes a third of a frame without a graphics card.
    const gl = canvas.getContext("webgl2", { antialias: false, alpha: false });
    if (!gl) throw new NoWebGL();
    this.gl = gl;
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    this.#dots = this.#pass(DOTS);
    this.#tiles = this.#pass(TILES);
    const float = [gl.FLOAT, false] as const;
    const byte = [gl.UNSIGNED_BYTE, false] as const;
    this.#attribute(this.#dots, "from", 2, ...float);
    this.#attribute(this.#dots, "to", 2, ...float);
    this.#attribute(this.#dots, "color", 4, gl.UNSIGNED_BYTE, true);
    this.#attribute(this.#dots, "kind", 1, ...byte);
    this.#attribute(this.#dots, "state", 1, ...byte);
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, this.#buffer("order"));
    gl.bindVertexArray(this.#tiles.array);
    gl.bindBuffer(gl.ARRAY_BUFFER, this.#buffer("tiles"));
    for (const [name, count, offset] of [
      ["place", 2, 0],
      ["slot", 2, 8],
      ["state", 1, 16],
    ] as const) {
      this.#instanced(name, count, gl.FLOAT, false, offset);
    }
    this.#instanced("color", 4, gl.UNSIGNED_BYTE, true, 20);
  }

  /** The color behind everything: red, green and blue from 0 to 1. */
  setPaper(color: readonly [number, number, number]): void {
    this.gl.clearColor(...color, 1);
  }

  /** Where the dots come from, and where they go. */
  setPlaces(from: Float32Array, to: Float32Array): void {
    this.#fill("from", from);
    this.#fill("to", to);
  }

  /** How the dots look, and which are drawn in which order: the last one is on top. */
  setLook({ colors, kinds, states }: Look, order: Uint32Array): void {
    this.#fill("color", colors);
    this.#fill("kind", kinds);
    this.#fill("state", states);
    this.#order = order;
    const { gl } = this;
    gl.bindVertexArray(this.#dots.array);
    gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, order, gl.DYNAMIC_DRAW);
  }

  /** The thumbnails that are drawn, the last one on top. */
  setTiles(rows: readonly number[], places: Float32Array, look: Look, atlas: Atlas): void {
    const floats = new Float32Array(6 * rows.length);
    const bytes = new Uint8Array(floats.buffer);
    rows.forEach((row, index) => {
      const [left, top] = atlas.slot(row) ?? [0, 0];
      const values = [places[2 * row] ?? 0, places[2 * row + 1] ?? 0, left, top];
      floats.set([...values, look.states[row] ?? 0], 6 * index);
      bytes.set(look.colors.subarray(4 * row, 4 * row + 4), 24 * index + 20);
    });
    this.#fill("tiles", floats);
    this.#count = rows.length;
  }

  /** Draw all. `dot` and `side` are the sizes of dots and thumbnails in pixels. */
  draw(view: View, size: Size, dot: number, side: number, atlas: Atlas): void {
    this.drawFlight(view, size, dot, 1);
    if (side > 0 && this.#count > 0) this.#drawTiles(view, size, side, atlas);
  }

  /** Draw dots that have come so far, from 0 to 1. */
  drawFlight(view: View, size: Size, dot: number, flown: number): void {
    const { gl, canvas } = this;
    if (gl.isContextLost()) return;
    gl.viewport(0, 0, canvas.width, canvas.height);
    gl.clear(gl.COLOR_BUFFER_BIT);
    this.#drawDots(view, size, flown, (dot * canvas.width) / size.width);
  }

  #drawDots(view: View, size: Size, flown: number, dot: number): void {
    const { gl } = this;
    this.#look(this.#dots, view, size);
    gl.uniform1f(this.#dots.at("flown"), flown);
    gl.uniform1f(this.#dots.at("size"), dot);
    gl.drawElements(gl.POINTS, this.#order.length, gl.UNSIGNED_INT, 0);
  }

  #drawTiles(view: View, size: Size, side: number, atlas: Atlas): void {
    const { gl } = this;
    this.#look(this.#tiles, view, size);
    gl.bindTexture(gl.TEXTURE_2D, atlas.texture);
    gl.uniform2f(this.#tiles.at("side"), (2 * side) / size.width, (2 * side) / size.height);
    gl.uniform1f(this.#tiles.at("cell"), atlas.cell);
    gl.uniform1f(this.#tiles.at("inset"), (0.5 * atlas.cell) / atlas.kind.side);
    gl.uniform1f(this.#tiles.at("border"), Math.min(0.5, 2 / side));
    gl.drawArraysInstanced(gl.TRIANGLE_STRIP, 0, 4, this.#count);
  }

  /** Give back what the graphics card holds. */
  close(): void {
    this.gl.getExtension("WEBGL_lose_context")?.loseContext();
  }

  #look(pass: Pass, view: View, size: Size): void {
    this.gl.useProgram(pass.program);
    this.gl.bindVertexArray(pass.array);
    this.gl.uniform2f(pass.at("middle"), view.x, view.y);
    const zoom = [(2 * view.scale) / size.width, (2 * view.scale) / size.height] as const;
    this.gl.uniform2f(pass.at("zoom"), ...zoom);
  }

  #pass(source: Program): Pass {
    const program = compiled(this.gl, source);
    const known = new Map<string, WebGLUniformLocation | null>();
    const at = (name: string) => {
      if (!known.has(name)) known.set(name, this.gl.getUniformLocation(program, name));
      return known.get(name) ?? null;
    };
    return { program, array: this.gl.createVertexArray(), at };
  }

  #buffer(name: string): WebGLBuffer {
    const found = this.#buffers.get(name) ?? this.gl.createBuffer();
    this.#buffers.set(name, found);
    return found;
  }

  #fill(name: string, values: Float32Array | Uint8Array): void {
    const { gl } = this;
    gl.bindBuffer(gl.ARRAY_BUFFER, this.#buffer(name));
    gl.bufferData(gl.ARRAY_BUFFER, values, gl.DYNAMIC_DRAW);
  }

  #attribute(pass: Pass, name: string, count: number, kind: number, scaled: boolean): void {
    const { gl } = this;
    gl.bindVertexArray(pass.array);
    gl.bindBuffer(gl.ARRAY_BUFFER, this.#buffer(name));
    const place = gl.getAttribLocation(pass.program, name);
    gl.enableVertexAttribArray(place);
    gl.vertexAttribPointer(place, count, kind, scaled, 0, 0);
  }

  #instanced(name: string, count: number, kind: number, scaled: boolean, offset: number): void {
    const { gl } = this;
    const place = gl.getAttribLocation(this.#tiles.program, name);
    gl.enableVertexAttribArray(place);
    gl.vertexAttribPointer(place, count, kind, scaled, 24, offset);
    gl.vertexAttribDivisor(place, 1);
  }
}
