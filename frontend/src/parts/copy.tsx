import { useState } from "react";
import { Button } from "./button";

/** Copies a text, and says so for a moment. */
export function CopyButton({ text, children }: { text: () => string; children: string }) {
  const [copied, setCopied] = useState(false);
  const copy = async () => {
    await navigator.clipboard.writeText(text());
    setCopied(true);
    setTimeout(() => setCopied(false), 1500);
  };
  return (
    <Button kind="quiet" onPress={() => void copy()}>
      {copied ? "Copied" : children}
    </Button>
  );
}
