import type { FieldProps, RJSFSchema, WidgetProps } from "@rjsf/utils";
import { useState } from "react";
import { useClasses, useImages, useSession } from "../api/queries";
import type { NetworkInfo } from "../api/schema";
import { type Choice, ChoiceBox, NumberBox, SuggestBox, SwitchBox, TextBox } from "../parts/fields";

export interface FormContext {
  network: NetworkInfo | undefined;
}

// A recipe names the photograph that it is run on by one of these texts.
const PHOTOS = [
  { id: "image", name: "the photograph" },
  { id: "net.preprocess(image)", name: "the photograph as the network gets it" },
];

type Widget = WidgetProps<unknown, RJSFSchema, FormContext>;

function named(props: Widget) {
  const { label, schema, rawErrors, required } = props;
  return {
    label: required ? `${label} (required)` : label,
    ...(schema.description ? { description: capital(schema.description) } : {}),
    ...(rawErrors?.[0] ? { error: rawErrors[0] } : {}),
  };
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function bounds({ minimum, maximum, exclusiveMinimum, exclusiveMaximum, type }: RJSFSchema) {
  const step = type === "integer" ? 1 : 0;
  const low = minimum ?? (exclusiveMinimum === undefined ? undefined : exclusiveMinimum + step);
  const high = maximum ?? (exclusiveMaximum === undefined ? undefined : exclusiveMaximum - step);
  const exact = (value: number | undefined) => value !== undefined && Math.abs(value) < 2 ** 53;
  return {
    ...(exact(low) ? { minimum: low as number } : {}),
    ...(exact(high) ? { maximum: high as number } : {}),
  };
}

function NumberWidget(props: Widget) {
  const { schema, value, onChange } = props;
  return (
    <NumberBox
      {...named(props)}
      {...bounds(schema)}
      value={typeof value === "number" ? value : undefined}
      onChange={onChange}
      whole={schema.type === "integer"}
      placeholder={schema.default === undefined ? "chosen automatically" : String(schema.default)}
    />
  );
}

function CheckboxWidget(props: Widget) {
  const { description } = named(props);
  return (
    <SwitchBox value={props.value === true} onChange={props.onChange} description={description}>
      {props.label}
    </SwitchBox>
  );
}

function SelectWidget(props: Widget) {
  const { schema, value, onChange } = props;
  const values = (schema.enum ?? []).map(String);
  const free = schema.default === undefined && !props.required;
  const choices = values.map((one) => ({ id: one, name: one }));
  return (
    <ChoiceBox
      {...named(props)}
      choices={free ? [{ id: "", name: "chosen automatically" }, ...choices] : choices}
      value={value === undefined ? (free ? "" : null) : String(value)}
      onChange={(next) => onChange(next === "" ? undefined : original(schema, next))}
    />
  );
}

function original(schema: RJSFSchema, name: string): unknown {
  return (schema.enum ?? []).find((one) => String(one) === name);
}

function TextWidget(props: Widget) {
  const { schema, value, onChange, registry } = props;
  const text = value === undefined || value === null ? "" : String(value);
  const change = (next: string) => onChange(next === "" ? undefined : next);
  const common = { ...named(props), value: text, onChange: change };
  const { network } = registry.formContext;
  switch (schema.format) {
    case "target":
      return <TargetBox {...common} network={network} />;
    case "layer":
      return <SuggestBox {...common} choices={layerChoices(network, text)} />;
    case "image":
      return <ImageChoice {...common} />;
    case "photo":
      return <ChoiceBox {...common} choices={PHOTOS} value={text || null} placeholder="None" />;
    default:
      return <TextBox {...common} placeholder={schema.default ? "" : "chosen automatically"} />;
  }
}

interface BoxProps {
  label: string;
  description?: string;
  error?: string;
  value: string;
  onChange: (value: string) => void;
}

export function layerChoices(network: NetworkInfo | undefined, text: string): Choice[] {
  const layers = network?.layers ?? [];
  const last = text.split(",").at(-1)?.trim() ?? "";
  const found = layers.filter((layer) => layer.includes(last));
  return (found.length ? found : layers).slice(0, 200).map((layer) => ({ id: layer, name: layer }));
}

interface TargetProps extends BoxProps {
  network: NetworkInfo | undefined;
}

/** A class, by number or by name: suggests those whose names contain what is written. */
export function ClassBox({ network, ...props }: TargetProps) {
  const choices = useClassChoices(network, props.value);
  return <SuggestBox {...props} choices={choices} placeholder="chosen automatically" />;
}

function useClassChoices(network: NetworkInfo | undefined, text: string): Choice[] {
  const classes = useClasses(network?.id, text).data ?? [];
  return classes.map(({ index, name }) => ({
    id: `class ${index}`,
    name,
    note: `class ${index}`,
  }));
}

/** A target: suggests classes and layers. */
export function TargetBox({ network, ...props }: TargetProps) {
  const classes = useClassChoices(network, props.value);
  const layers = layerChoices(network, props.value).filter(
    ({ id }) => props.value !== "" && id.startsWith(props.value),
  );
  const choices = [...classes, ...layers.map((layer) => ({ ...layer, note: "layer" }))];
  return <SuggestBox {...props} choices={choices} placeholder="tabby, blocks.4:12, …" />;
}

function ImageChoice(props: BoxProps) {
  const images = useImages().data ?? [];
  const choices = images.map((image) => ({ id: image.id, name: image.name }));
  return <ChoiceBox {...props} choices={choices} value={props.value || null} placeholder="None" />;
}

/** Another network of the session. */
function OtherNetwork({ network, ...props }: TargetProps) {
  const networks = useSession().data?.networks ?? [];
  const others = networks.filter(({ id }) => id !== network?.id);
  return (
    <ChoiceBox
      {...props}
      description="Another one of the networks that the explorer was started with"
      choices={[
        { id: "", name: "chosen automatically" },
        ...others.map(({ id, name }) => ({ id, name })),
      ]}
    />
  );
}

/** Several values in one field, with commas between them. */
export function ListField(props: FieldProps<unknown, RJSFSchema, FormContext>) {
  const { schema, formData, name, onChange, fieldPathId, registry, rawErrors, required } = props;
  const items = (schema.items ?? {}) as RJSFSchema;
  const given = Array.isArray(formData) ? formData : [];
  const [draft, setDraft] = useState<string | null>(null);
  const text = draft !== null && same(parse(draft, items), given) ? draft : given.join(", ");
  const images = useImages().data ?? [];
  const { network } = registry.formContext;
  const change = (next: string) => {
    setDraft(next);
    const values = parse(next, items);
    onChange(values.length ? values : undefined, fieldPathId.path);
  };
  const label = schema.title ?? name;
  const common = {
    label: required ? `${label} (required)` : label,
    ...(schema.description ? { description: capital(schema.description) } : {}),
    ...(rawErrors?.[0] ? { error: rawErrors[0] } : {}),
    value: text,
    onChange: change,
  };
  if (items.format === "image") {
    const choices = images.map((image) => ({ id: image.id, name: image.name }));
    return <ChoiceBox {...common} choices={choices} value={text || null} placeholder="None" />;
  }
  if (items.format === "network") return <OtherNetwork {...common} network={network} />;
  if (items.format === "layer" || /layer/.test(name)) {
    return (
      <SuggestBox
        {...common}
        choices={layerChoices(network, text)}
        placeholder="chosen automatically"
      />
    );
  }
  if (items.format === "target") return <TargetBox {...common} network={network} />;
  return <TextBox {...common} placeholder="several, with commas" />;
}

function parse(text: string, items: RJSFSchema): unknown[] {
  const parts = text.split(",").map((part) => part.trim());
  const numeric = items.type === "number" || items.type === "integer" || !items.type;
  return parts
    .filter((part) => part !== "")
    .map((part) => (numeric && Number.isFinite(Number(part)) ? Number(part) : part));
}

function same(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

export const widgets = {
  TextWidget,
  UpDownWidget: NumberWidget,
  CheckboxWidget,
  SelectWidget,
};
