/** How many small squares a texture has in a row, and their sides in pixels. */
export interface Kind {
  size: "small" | "large";
  side: number;
  /** The most photographs on one sheet of the server. */
  batch: number;
}

export const SMALL: Kind = { size: "small", side: 32, batch: 256 };
export const LARGE: Kind = { size: "large", side: 128, batch: 32 };

const SIDE = 2048; // of the texture in pixels, which every machine can hold

export type LoadSheet = (rows: readonly number[], size: Kind["size"]) => Promise<Blob>;

const AT_ONCE = 2; // sheets that are asked for

/** Thumbnails in one texture; those that were not wanted for longest make room for others. */
export class Atlas {
  readonly across: number;
  readonly capacity: number;
  /** The side of a square as a fraction of the texture. */
  readonly cell: number;
  readonly texture: WebGLTexture;
  #slots = new Map<number, number>(); // the longest unwanted first
  #wanted: number[] = [];
  #asked = new Set<number>();
  #loading = 0;

  constructor(
    readonly gl: WebGL2RenderingContext,
    readonly kind: Kind,
    readonly load: LoadSheet,
    readonly changed: () => void,
  ) {
    this.across = SIDE / kind.side;
    this.capacity = this.across ** 2;
    this.cell = 1 / this.across;
    this.texture = gl.createTexture();
    gl.bindTexture(gl.TEXTURE_2D, this.texture);
    gl.texStorage2D(gl.TEXTURE_2D, 1, gl.RGBA8, SIDE, SIDE);
    for (const side of [gl.TEXTURE_WRAP_S, gl.TEXTURE_WRAP_T]) {
      gl.texParameteri(gl.TEXTURE_2D, side, gl.CLAMP_TO_EDGE);
    }
    for (const filter of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) {
      gl.texParameteri(gl.TEXTURE_2D, filter, gl.LINEAR);
    }
  }

  /** Where in the texture a photograph is: the left and the upper edge of its square. */
  slot(row: number): [number, number] | undefined {
    const slot = this.#slots.get(row);
    if (slot === undefined) return undefined;
    return [(slot % this.across) * this.cell, Math.floor(slot / this.across) * this.cell];
  }

  has = (row: number): boolean => this.#slots.has(row);

  /** Load what is missing of these, the first ones first. */
  want(rows: readonly number[]): void {
    const fitting = rows.slice(0, this.capacity);
    for (const row of fitting) {
      const slot = this.#slots.get(row);
      if (slot === undefined) continue;
      this.#slots.delete(row);
      this.#slots.set(row, slot);
    }
    this.#wanted = fitting.filter((row) => !this.#slots.has(row));
    this.#next();
  }

  #next(): void {
    while (this.#loading < AT_ONCE) {
      const rows = this.#wanted.filter((row) => !this.#asked.has(row)).slice(0, this.kind.batch);
      if (rows.length === 0) return;
      for (const row of rows) this.#asked.add(row);
      this.#loading += 1;
      void this.#fetch(rows);
    }
  }

  async #fetch(rows: number[]): Promise<void> {
    try {
      const sheet = await createImageBitmap(await this.load(rows, this.kind.size));
      this.#keep(rows, sheet);
      for (const row of rows) this.#asked.delete(row);
      this.changed();
    } catch {
      // What cannot be loaded stays a dot, and is not asked for again.
    } finally {
      this.#loading -= 1;
      this.#next();
    }
  }

  #keep(rows: number[], sheet: ImageBitmap): void {
    const { gl, kind } = this;
    const canvas = new OffscreenCanvas(sheet.width, sheet.height);
    const context = canvas.getContext("2d");
    if (!context || gl.isContextLost()) return;
    context.drawImage(sheet, 0, 0);
    const pixels = context.getImageData(0, 0, sheet.width, sheet.height).data;
    const across = Math.ceil(Math.sqrt(rows.length));
    gl.bindTexture(gl.TEXTURE_2D, this.texture);
    gl.pixelStorei(gl.UNPACK_ROW_LENGTH, sheet.width);
    rows.forEach((row, index) => {
      const slot = this.#place(row);
      gl.pixelStorei(gl.UNPACK_SKIP_PIXELS, (index % across) * kind.side);
      gl.pixelStorei(gl.UNPACK_SKIP_ROWS, Math.floor(index / across) * kind.side);
      const [x, y] = [(slot % this.across) * kind.side, Math.floor(slot / this.across) * kind.side];
      const format = [gl.RGBA, gl.UNSIGNED_BYTE] as const;
      gl.texSubImage2D(gl.TEXTURE_2D, 0, x, y, kind.side, kind.side, ...format, pixels);
    });
    for (const name of [gl.UNPACK_ROW_LENGTH, gl.UNPACK_SKIP_PIXELS, gl.UNPACK_SKIP_ROWS]) {
      gl.pixelStorei(name, 0);
    }
    sheet.close();
  }

  #place(row: number): number {
    let slot = this.#slots.get(row) ?? this.#slots.size;
    if (slot >= this.capacity) {
      const [oldest, its] = this.#slots.entries().next().value ?? [0, 0];
      this.#slots.delete(oldest);
      slot = its;
    }
    this.#slots.delete(row);
    this.#slots.set(row, slot);
    return slot;
  }
}
