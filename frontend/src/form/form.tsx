// The package's own entrance asks for a validator that compiles schemas.
import Form from "@rjsf/core/lib/components/Form.js";
import type { FieldTemplateProps, ObjectFieldTemplateProps, RJSFSchema } from "@rjsf/utils";
import { useMemo } from "react";
import { Button as AriaButton, Disclosure, DisclosurePanel, Heading } from "react-aria-components";
import type { NetworkInfo } from "../api/schema";
import { DownIcon } from "../parts/icons";
import { changed, formSchema, shownFields, uiSchema, type Values } from "./schema";
import { validator } from "./validator";
import { type FormContext, ListField, widgets } from "./widgets";

function FieldTemplate({ children, hidden }: FieldTemplateProps) {
  return hidden ? null : children;
}

/** The first fields, and the others folded. */
function ObjectTemplate({ properties, schema, formData }: ObjectFieldTemplateProps) {
  const shown = shownFields(schema);
  const folded = properties.filter(({ name }) => !shown.has(name));
  const altered = Object.keys(changed(schema, (formData ?? {}) as Values)).filter(
    (name) => !shown.has(name),
  ).length;
  return (
    <>
      {properties.filter(({ name }) => shown.has(name)).map(({ content }) => content)}
      {folded.length > 0 && (
        <Disclosure className="more" defaultExpanded={altered > 0}>
          <Heading>
            <AriaButton slot="trigger" className="more-button">
              <DownIcon />
              More options ({folded.length}
              {altered > 0 && `, ${altered} changed`})
            </AriaButton>
          </Heading>
          <DisclosurePanel>
            <div className="form">{folded.map(({ content }) => content)}</div>
          </DisclosurePanel>
        </Disclosure>
      )}
    </>
  );
}

const templates = { FieldTemplate, ObjectFieldTemplate: ObjectTemplate };
const NO_EMPTY_ITEMS = { arrayMinItems: { populate: "never" } } as const;
const fields = { List: ListField };

interface Props {
  schema: Record<string, unknown>;
  values: Values;
  onChange: (values: Values) => void;
  network: NetworkInfo | undefined;
}

/** A form of a JSON schema. `values` are those that differ from the defaults. */
export function SchemaForm({ schema, values, onChange, network }: Props) {
  const simple = useMemo(() => formSchema(schema), [schema]);
  const ui = useMemo(
    () => ({ ...uiSchema(simple), "ui:submitButtonOptions": { norender: true } }),
    [simple],
  );
  const context = useMemo(() => ({ network }), [network]);
  if (Object.keys(simple.properties ?? {}).length === 0) {
    return <p className="quiet">There is nothing to set.</p>;
  }
  return (
    <Form<Values, RJSFSchema, FormContext>
      className="form"
      tagName="div"
      schema={simple}
      uiSchema={ui}
      formData={values}
      validator={validator}
      widgets={widgets as never}
      templates={templates as never}
      fields={fields as never}
      formContext={context}
      experimental_defaultFormStateBehavior={NO_EMPTY_ITEMS}
      showErrorList={false}
      liveValidate
      onChange={({ formData }) => {
        const next = changed(simple, formData ?? {});
        if (JSON.stringify(next) !== JSON.stringify(values)) onChange(next);
      }}
    />
  );
}

export function isValid(schema: Record<string, unknown>, values: Values): boolean {
  const simple = formSchema(schema);
  const defaults = Object.entries(simple.properties ?? {}).map(
    ([name, field]) => [name, (field as RJSFSchema).default] as const,
  );
  const given = defaults.filter(([, value]) => value !== undefined);
  return validator.isValid(simple, { ...Object.fromEntries(given), ...values }, simple);
}
