import type { Prediction } from "../api/schema";
import { percent } from "./words";

/** Classes with their probabilities. */
export function Predictions({ predictions }: { predictions: Prediction[] }) {
  return (
    <ol className="bars" aria-label="Predictions">
      {predictions.map(({ index, name, probability }) => (
        <li key={index}>
          <span className="clip" title={name}>
            {name}
          </span>
          <span className="bar" aria-hidden="true">
            <span style={{ width: `${probability * 100}%` }} />
          </span>
          <span className="figure">{percent(probability)}</span>
        </li>
      ))}
    </ol>
  );
}
