import { type Schema, Validator } from "@cfworker/json-schema";
import {
  type ErrorSchema,
  type RJSFSchema,
  type RJSFValidationError,
  toErrorSchema,
  type ValidationData,
  type ValidatorType,
} from "@rjsf/utils";
import type { Values } from "./schema";

// The usual validator of these forms compiles schemas, which the content security policy forbids.
// This one interprets them.

const WORDS: Record<string, (field: RJSFSchema) => string> = {
  minimum: (field) => `at least ${field.minimum}`,
  maximum: (field) => `at most ${field.maximum}`,
  exclusiveMinimum: (field) => `more than ${field.exclusiveMinimum}`,
  exclusiveMaximum: (field) => `less than ${field.exclusiveMaximum}`,
  minItems: (field) => `at least ${field.minItems} of them`,
  maxItems: (field) => `at most ${field.maxItems} of them`,
  type: (field) => (field.type === "integer" ? "a whole number" : `a ${field.type}`),
  required: () => "a value",
};

function raw(schema: RJSFSchema, values: unknown): RJSFValidationError[] {
  const plain: unknown = JSON.parse(JSON.stringify(values));
  const { errors } = new Validator(schema as Schema, "2020-12", false).validate(plain);
  return errors.flatMap((error) => {
    const say = WORDS[error.keyword];
    if (!say) return [];
    const missing = /"([^"]+)"/.exec(error.error)?.[1];
    const path = error.instanceLocation.split("/").slice(1);
    if (error.keyword === "required" && missing) path.push(missing);
    const field = (schema.properties?.[path[0] ?? ""] ?? {}) as RJSFSchema;
    const message = `Give ${say(field)}.`;
    return [{ name: error.keyword, property: `.${path.join(".")}`, message, stack: message }];
  });
}

export const validator: ValidatorType<Values> = {
  isValid: (schema, values) => raw(schema, values ?? {}).length === 0,
  rawValidation: <Result>(schema: RJSFSchema, values?: Values) => ({
    errors: raw(schema, values ?? {}) as Result[],
  }),
  validateFormData(values, schema): ValidationData<Values> {
    const errors = raw(schema, values ?? {});
    const errorSchema: ErrorSchema<Values> = toErrorSchema<Values>(errors);
    return { errors, errorSchema };
  },
};
