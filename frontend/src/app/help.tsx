import { Window, type WindowProps } from "../parts/window";
import { HELP } from "./keys";

export function Help(props: WindowProps) {
  return (
    <Window title="Keys" {...props}>
      <dl className="keys">
        {HELP.map(([key, meaning]) => (
          <div key={key}>
            <dt>
              {key.split("  ").map((one) => (
                <kbd key={one}>{one}</kbd>
              ))}
            </dt>
            <dd>{meaning}</dd>
          </div>
        ))}
      </dl>
      <p className="quiet">
        Each page is an address: send it to somebody who uses the same server, or open it again
        later. A target is a class (<code>tabby</code>), a layer (<code>blocks.4</code>), a channel
        (<code>blocks.4:12</code>) or one neuron (<code>blocks.4:12@7,7</code>).
      </p>
    </Window>
  );
}
