import type { Kind } from "./atlas";

/** What a widget's page and Python share. */
export interface WidgetModel {
  get: (name: string) => unknown;
  set: (name: string, value: unknown) => void;
  save_changes: () => void;
  send: (content: object) => void;
  on: (event: string, heard: (...heard: never[]) => void) => void;
  off: (event: string, heard: (...heard: never[]) => void) => void;
}

const KEPT = 200; // pictures of photographs that the pointer has met

/** Thumbnails, which Python sends when the page asks for them. */
export class Sheets {
  #asked = new Map<number, (sheet: Blob) => void>();
  #next = 0;
  #pictures = new Map<number, Promise<string>>();

  constructor(readonly model: WidgetModel) {
    model.on("msg:custom", this.#heard);
  }

  load = (rows: readonly number[], size: Kind["size"]): Promise<Blob> =>
    new Promise((done) => {
      const id = this.#next++;
      this.#asked.set(id, done);
      this.model.send({ kind: "sheet", id, rows, size });
    });

  /** The address of one photograph's thumbnail. */
  picture(row: number): Promise<string> {
    const known = this.#pictures.get(row);
    if (known) return known;
    const url = this.load([row], "large").then((sheet) => URL.createObjectURL(sheet));
    this.#pictures.set(row, url);
    if (this.#pictures.size > KEPT) this.#forget(this.#pictures.keys().next().value ?? 0);
    return url;
  }

  close(): void {
    this.model.off("msg:custom", this.#heard);
    for (const row of [...this.#pictures.keys()]) this.#forget(row);
  }

  #forget(row: number): void {
    void this.#pictures.get(row)?.then(URL.revokeObjectURL);
    this.#pictures.delete(row);
  }

  #heard = (message: { kind: string; id: number }, buffers: DataView[]): void => {
    const [sheet] = buffers;
    if (message.kind !== "sheet" || !sheet) return;
    this.#asked.get(message.id)?.(new Blob([sheet as BlobPart], { type: "image/jpeg" }));
    this.#asked.delete(message.id);
  };
}
