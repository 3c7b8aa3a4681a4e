import type { ReactNode } from "react";
import {
  Button as AriaButton,
  type ButtonProps,
  Tooltip,
  TooltipTrigger,
} from "react-aria-components";

interface Props extends Omit<ButtonProps, "className"> {
  kind?: "main" | "plain" | "quiet";
}

export function Button({ kind = "plain", ...props }: Props) {
  return <AriaButton {...props} className={`button button-${kind}`} />;
}

interface IconProps extends Omit<ButtonProps, "className" | "children"> {
  label: string;
  children: ReactNode;
}

/** A button that shows a sign; its name stands beside it under the pointer. */
export function IconButton({ label, children, ...props }: IconProps) {
  return (
    <TooltipTrigger delay={500}>
      <AriaButton {...props} aria-label={label} className="icon-button">
        {children}
      </AriaButton>
      <Tooltip className="tooltip">{label}</Tooltip>
    </TooltipTrigger>
  );
}
