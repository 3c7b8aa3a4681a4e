import type { RJSFSchema, UiSchema } from "@rjsf/utils";
import { spoken } from "../parts/words";

export type Values = Record<string, unknown>;

const SHOWN = 4;
// Options that matter to few, wherever they stand.
const SELDOM = new Set(["seed", "batch_size", "tile", "tokens", "tries", "upsampling"]);

function alternatives(schema: RJSFSchema): RJSFSchema[] {
  const all = (schema.anyOf ?? schema.oneOf ?? []) as RJSFSchema[];
  return all.filter((one) => one.type !== "null");
}

/** A schema with one type: a union with null may stay empty, a union with text is text. */
function single(schema: RJSFSchema, definitions: Record<string, RJSFSchema>): RJSFSchema {
  if (schema.$ref) {
    const found = definitions[schema.$ref.split("/").at(-1) ?? ""] ?? {};
    return single({ ...found, ...schema, $ref: undefined } as RJSFSchema, definitions);
  }
  const [first, ...others] = alternatives(schema);
  if (!first) return schema;
  const { anyOf: _any, oneOf: _one, ...rest } = schema;
  if (others.length === 0) return single({ ...first, ...rest }, definitions);
  const format = schema.format ?? first.format;
  return { ...rest, type: "string", ...(format ? { format } : {}) } as RJSFSchema;
}

/** The schema of a form without unions, references and null; every field has a title. */
export function formSchema(given: Record<string, unknown>): RJSFSchema {
  const schema = given as RJSFSchema;
  const definitions = (schema.$defs ?? {}) as Record<string, RJSFSchema>;
  const fields = Object.entries(schema.properties ?? {}).map(([name, field]) => {
    const one = { ...single(field as RJSFSchema, definitions), title: spoken(name) };
    if (one.default === null) delete one.default;
    if (one.items) one.items = single(one.items as RJSFSchema, definitions);
    return [name, one] as const;
  });
  return {
    type: "object",
    properties: Object.fromEntries(fields),
    required: schema.required ?? [],
  };
}

/** The names of the fields that show at once; the others are folded. */
export function shownFields(schema: RJSFSchema): Set<string> {
  const names = Object.keys(schema.properties ?? {});
  const usual = names.filter((name) => !SELDOM.has(name)).slice(0, SHOWN);
  return new Set([...usual, ...(schema.required ?? [])]);
}

export function uiSchema(schema: RJSFSchema): UiSchema {
  const fields = Object.entries(schema.properties ?? {}).map(([name, field]) => [
    name,
    uiOf(field as RJSFSchema),
  ]);
  return Object.fromEntries(fields);
}

function uiOf({ type, enum: choices }: RJSFSchema): UiSchema {
  if (type === "array") return { "ui:field": "List" };
  const number = (type === "integer" || type === "number") && !choices;
  return number ? { "ui:widget": "updown" } : {};
}

function same(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

/** What differs from the defaults: only that is sent, and stands in the address. */
export function changed(schema: RJSFSchema, values: Values): Values {
  const kept = Object.entries(values).filter(([name, value]) => {
    const field = schema.properties?.[name] as RJSFSchema | undefined;
    const empty = value === undefined || value === null || value === "";
    return field && !empty && !same(value, field.default);
  });
  return Object.fromEntries(kept);
}
