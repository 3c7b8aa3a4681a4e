import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { Label, TextArea, TextField } from "react-aria-components";
import { scope, type Unit } from "../api/microscope";
import { queries } from "../api/queries";
import type { UnitFacts } from "../api/schema";
import { Button } from "../parts/button";

/** What the user writes about a unit; the index keeps it. */
export function UnitNote({ index, unit, note }: { index: string; unit: Unit; note: string }) {
  const [text, setText] = useState(note);
  const save = useMutation({
    mutationFn: () => scope.writeNote(index, unit, text),
    onSuccess: () =>
      queries.setQueryData<UnitFacts>(["unit", index, unit.layer, unit.channel], (before) =>
        before ? { ...before, note: text } : before,
      ),
  });
  return (
    <section className="unit-note">
      <TextField className="field" value={text} onChange={setText} maxLength={10_000}>
        <Label>Your note</Label>
        <TextArea rows={3} />
      </TextField>
      <p className="links">
        <Button onPress={() => save.mutate()} isDisabled={text === note || save.isPending}>
          Save the note
        </Button>
        <span role="status" className="quiet">
          {save.isSuccess && text === note && "Saved in the index."}
        </span>
      </p>
      {save.error && (
        <p role="alert" className="problem">
          {save.error.message}
        </p>
      )}
    </section>
  );
}
