/** A sentence of a docstring, with the names in it as code. */
export function Prose({ text }: { text: string }) {
  // Every other part stood between backticks.
  return text
    .split("`")
    .map((part, index) => (index % 2 ? <code key={`${index} ${part}`}>{part}</code> : part));
}
