import type { ReactNode } from "react";
import {
  Button,
  ComboBox,
  FieldError,
  Group,
  Input,
  Label,
  ListBox,
  ListBoxItem,
  NumberField,
  Popover,
  Select,
  SelectValue,
  Slider,
  SliderOutput,
  SliderThumb,
  SliderTrack,
  Switch,
  Text,
  TextField,
} from "react-aria-components";
import { DownIcon, MinusIcon, PlusIcon } from "./icons";

export interface Choice {
  id: string;
  name: string;
  note?: string;
}

interface Named {
  label: string;
  description?: string;
  error?: string;
}

function Notes({ description, error }: Named) {
  return (
    <>
      {description && (
        <Text slot="description" className="description">
          {description}
        </Text>
      )}
      <FieldError className="error-line">{error}</FieldError>
    </>
  );
}

interface TextProps extends Named {
  value: string;
  onChange: (value: string) => void;
  placeholder?: string;
  isRequired?: boolean;
}

export function TextBox(props: TextProps) {
  const { label, placeholder, error } = props;
  return (
    <TextField
      className="field"
      value={props.value}
      onChange={props.onChange}
      isInvalid={error !== undefined}
      isRequired={props.isRequired ?? false}
      validationBehavior="aria"
      autoComplete="off"
    >
      <Label>{label}</Label>
      <Input {...(placeholder === undefined ? {} : { placeholder })} spellCheck={false} />
      <Notes {...props} />
    </TextField>
  );
}

interface NumberProps extends Named {
  value: number | undefined;
  onChange: (value: number | undefined) => void;
  minimum?: number;
  maximum?: number;
  whole?: boolean;
  placeholder?: string;
}

export function NumberBox(props: NumberProps) {
  const { label, value, onChange, minimum, maximum, whole, placeholder, error } = props;
  return (
    <NumberField
      className="field"
      value={value ?? Number.NaN}
      onChange={(next) => onChange(Number.isNaN(next) ? undefined : next)}
      {...(minimum === undefined ? {} : { minValue: minimum })}
      {...(maximum === undefined ? {} : { maxValue: maximum })}
      {...(whole ? { step: 1 } : {})}
      formatOptions={{ maximumFractionDigits: whole ? 0 : 8, useGrouping: false }}
      isInvalid={error !== undefined}
      validationBehavior="aria"
    >
      <Label>{label}</Label>
      <Group className="number">
        <Input {...(placeholder === undefined ? {} : { placeholder })} />
        <Button slot="decrement">
          <MinusIcon />
        </Button>
        <Button slot="increment">
          <PlusIcon />
        </Button>
      </Group>
      <Notes {...props} />
    </NumberField>
  );
}

interface ChoiceProps extends Named {
  choices: Choice[];
  value: string | null;
  onChange: (value: string) => void;
  placeholder?: string;
}

export function ChoiceBox(props: ChoiceProps) {
  return (
    <Select
      className="field"
      value={props.value}
      onChange={(key) => key !== null && props.onChange(String(key))}
      placeholder={props.placeholder ?? "Choose"}
      isInvalid={props.error !== undefined}
    >
      <Label>{props.label}</Label>
      <Button className="select-button">
        <SelectValue>
          {({ selectedText, defaultChildren }) => selectedText || defaultChildren}
        </SelectValue>
        <DownIcon />
      </Button>
      <Notes {...props} />
      <Popover className="popover">
        <ListBox items={props.choices} className="list">
          {(choice) => <Item choice={choice} />}
        </ListBox>
      </Popover>
    </Select>
  );
}

function Item({ choice }: { choice: Choice }) {
  return (
    <ListBoxItem id={choice.id} textValue={choice.name} className="list-item">
      <span>{choice.name}</span>
      {choice.note && <span className="quiet clip">{choice.note}</span>}
    </ListBoxItem>
  );
}

interface SuggestProps extends TextProps {
  choices: Choice[];
}

/** A text field that suggests: what is written counts, chosen or not. */
export function SuggestBox(props: SuggestProps) {
  const { label, value, onChange, choices, placeholder, error } = props;
  return (
    <ComboBox
      className="field"
      allowsCustomValue
      menuTrigger="input"
      inputValue={value}
      onInputChange={onChange}
      defaultFilter={() => true}
      items={choices}
      isInvalid={error !== undefined}
      validationBehavior="aria"
    >
      <Label>{label}</Label>
      <Group className="number">
        <Input {...(placeholder === undefined ? {} : { placeholder })} spellCheck={false} />
        <Button aria-label="Suggestions for">
          <DownIcon />
        </Button>
      </Group>
      <Notes {...props} />
      <Popover className="popover">
        <ListBox<Choice> className="list">{(choice) => <Item choice={choice} />}</ListBox>
      </Popover>
    </ComboBox>
  );
}

interface SwitchProps {
  value: boolean;
  onChange: (value: boolean) => void;
  description?: string | undefined;
  children: ReactNode;
}

export function SwitchBox({ value, onChange, description, children }: SwitchProps) {
  return (
    <div className="field">
      <Switch className="switch" isSelected={value} onChange={onChange}>
        <span className="switch-track" aria-hidden="true" />
        {children}
      </Switch>
      {description && <span className="description">{description}</span>}
    </div>
  );
}

interface SliderProps {
  label: string;
  value: number;
  onChange: (value: number) => void;
  minimum?: number;
  maximum: number;
  step: number;
  format?: Intl.NumberFormatOptions;
  /** Told once when the thumb is let go, or moved by a key. */
  onRelease?: (value: number) => void;
}

export function SliderBox({
  label,
  value,
  onChange,
  minimum = 0,
  maximum,
  step,
  format,
  onRelease,
}: SliderProps) {
  const one = (next: number | number[]) => (Array.isArray(next) ? (next[0] ?? value) : next);
  return (
    <Slider
      className="slider"
      value={value}
      onChange={(next) => onChange(one(next))}
      onChangeEnd={(next) => onRelease?.(one(next))}
      minValue={minimum}
      maxValue={maximum}
      step={step}
      {...(format ? { formatOptions: format } : {})}
    >
      <Label>{label}</Label>
      <SliderOutput />
      <SliderTrack className="slider-track">
        {({ state }) => (
          <>
            <span className="slider-rail" />
            <span className="slider-fill" style={{ width: `${state.getThumbPercent(0) * 100}%` }} />
            <SliderThumb className="slider-thumb" />
          </>
        )}
      </SliderTrack>
    </Slider>
  );
}
