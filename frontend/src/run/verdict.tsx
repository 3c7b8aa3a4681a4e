import type { Answer } from "../api/schema";
import { NoIcon, YesIcon } from "../parts/icons";

/** What the check of a map says, in words. */
export function Verdict({ answers }: { answers: Answer[] }) {
  return (
    <section className="verdict" aria-label="Check of the map">
      <h2>Can this map be trusted?</h2>
      <dl>
        {answers.map(({ question, answer, passed }) => (
          <div key={question} data-passed={passed ?? "open"}>
            <dt>
              {passed === true && <YesIcon />}
              {passed === false && <NoIcon />}
              <span>
                {question} {passed != null && <b>{passed ? "Passed." : "Not passed."}</b>}
              </span>
            </dt>
            <dd>{answer}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}
