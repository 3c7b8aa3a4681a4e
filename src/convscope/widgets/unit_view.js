// A unit in a notebook. Python finds the facts and makes the pictures; this draws them.

const VIEWS = {
  field: "What it sees",
  mask: "Where it is active",
  whole: "Whole photograph",
};

const WIDTH = 240;
const HEIGHT = 60;

const digits = new Intl.NumberFormat("en-US", {
  minimumSignificantDigits: 3,
  maximumSignificantDigits: 3,
});
const told = (value) => (value === null ? "∞" : digits.format(value).replace("-", "−"));
const signed = (value) => (value > 0 ? `+${told(value)}` : told(value));

const FRAME = `
  <div class="convscope-unit">
    <header>
      <h3 tabindex="-1"></h3>
      <span class="convscope-quiet" data-part="where"></span>
      <button type="button" data-step="-1">← Previous</button>
      <button type="button" data-step="1">Next →</button>
      <span role="status"></span>
    </header>
    <div class="convscope-side">
      <div data-part="image"></div>
      <figure data-part="values"></figure>
      <label>Your note <textarea rows="2" maxlength="10000"></textarea></label>
      <button type="button" data-part="keep">Save the note</button>
    </div>
    <div class="convscope-main">
      <h4>Strongest patches</h4>
      <div role="group" aria-label="What is shown of the photographs" data-part="views"></div>
      <ul class="convscope-patches" data-part="patches"></ul>
      <div class="convscope-classes" data-part="classes"></div>
      <h4>Similar units <small>correlation of their peaks over the photographs</small></h4>
      <ul class="convscope-similar" data-part="similar"></ul>
      <p class="convscope-quiet" data-part="missing"></p>
    </div>
  </div>`;

function quiet(textContent) {
  return element("small", { className: "convscope-quiet", textContent });
}

/** A bar for each bin; bins become narrower toward zero, and here all are equally wide. */
function bars(counts) {
  const most = Math.log1p(Math.max(1, ...counts));
  const wide = WIDTH / counts.length;
  const drawn = counts.map((count, place) => {
    const high = (HEIGHT * Math.log1p(count)) / most;
    return `M${place * wide} ${HEIGHT}v${-high}h${wide}v${high}z`;
  });
  return `<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img"
    aria-label="Histogram of its values; heights are logarithms">
    <path d="${drawn.join("")}" /></svg>`;
}

function classList(title, classes) {
  const rows = classes.map(([label, value]) =>
    element("li", {}, element("span", {}, label), quiet(signed(value))),
  );
  const about = element("small", { textContent: "change of the logit when the unit rises by one" });
  return element("div", {}, element("h4", {}, `${title} `, about), element("ul", {}, ...rows));
}

function render({ model, el }) {
  el.innerHTML = FRAME;
  const view = el.firstElementChild;
  const part = (name) => view.querySelector(`[data-part="${name}"]`);
  const [heading, status] = ["h3", "[role=status]"].map((one) => view.querySelector(one));
  const note = view.querySelector("textarea");
  const urls = [];
  let drawn = ""; // the unit that is shown
  let busy = false;

  function ask(content, said) {
    if (busy) return;
    busy = true;
    view.ariaBusy = "true";
    status.textContent = said;
    model.send(content);
  }

  function asking(textContent, content, said) {
    const made = element("button", { type: "button", textContent });
    made.addEventListener("click", () => ask(content, said));
    return made;
  }

  function picture(bytes, alt, type = "image/jpeg") {
    const src = URL.createObjectURL(new Blob([bytes], { type }));
    urls.push(src);
    return element("img", { src, alt });
  }

  const go = (unit) => ask({ kind: "go", unit }, `Asking for ${unit}…`);

  function image({ image: made, dead }, name) {
    if (!made) {
      const said = "The image is being made; this takes some seconds…";
      return dead
        ? quiet("The unit is dead: nothing excites it.")
        : asking("Make its image", { kind: "image" }, said);
    }
    const { multiple, activation } = made;
    const words =
      multiple === null
        ? `It gives ${told(activation)}.`
        : `Excites the unit ${told(multiple)} times as much as its strongest photograph.`;
    const shown = picture(made.picture, `What excites ${name} most`, "image/webp");
    return element("figure", {}, shown, element("figcaption", {}, words));
  }

  function classes({ classes: found }) {
    if (!found) {
      const said = "The classes are being found; this takes a second…";
      return [asking("Find the classes that it pushes", { kind: "classes" }, said)];
    }
    if (found.up.length === 0) return [quiet("The network has no classes that it could push.")];
    return [classList("Pushes up", found.up), classList("Pushes down", found.down)];
  }

  function views({ maps, show }) {
    return Object.entries(VIEWS)
      .filter(([kind]) => maps || kind !== "mask")
      .map(([kind, title]) => {
        const made = asking(title, { kind: "show", show: kind }, "Making the pictures…");
        made.ariaPressed = String(kind === show);
        return made;
      });
  }

  function patch({ picture: bytes, value, said }) {
    return element("li", { title: said }, picture(bytes, said), told(value), quiet(said));
  }

  function similar({ name, value, picture: bytes }) {
    const inside = [picture(bytes, ""), name, quiet(told(value))];
    const made = element("button", { type: "button" }, ...inside);
    made.addEventListener("click", () => {
      heading.focus({ preventScroll: true });
      go(name);
    });
    return element("li", {}, made);
  }

  function draw() {
    for (const url of urls.splice(0)) URL.revokeObjectURL(url);
    const facts = model.get("facts");
    const name = `${facts.layer}:${facts.channel}`;
    const { activeElement } = document;
    const pressed = part("views").contains(activeElement) ? activeElement.textContent : null;
    heading.textContent = name;
    const dead = facts.dead ? ", dead" : "";
    part("where").textContent = `channel ${facts.channel} of ${facts.channels}${dead}`;
    part("image").replaceChildren(image(facts, name));
    part("values").innerHTML = bars(facts.counts);
    const values = [facts.edges[0], facts.edges.at(-1)].map(told).join(" to ");
    const words = `Values ${values}, mean ${told(facts.mean)}, highest ${told(facts.high)}`;
    part("values").append(element("figcaption", {}, words));
    part("views").replaceChildren(...views(facts));
    part("patches").replaceChildren(...facts.patches.map(patch));
    part("classes").replaceChildren(...classes(facts));
    part("similar").replaceChildren(...facts.similar.map(similar));
    part("missing").textContent = facts.missing;
    if (drawn !== name) note.value = facts.note;
    drawn = name;
    for (const one of part("views").children) if (one.textContent === pressed) one.focus();
    saved();
  }

  function saved() {
    part("keep").disabled = note.value === model.get("facts").note;
  }

  function heard({ kind, problem }) {
    if (kind !== "done") return;
    busy = false;
    view.ariaBusy = "false";
    status.textContent = problem;
  }

  for (const button of view.querySelectorAll("[data-step]")) {
    button.addEventListener("click", () => {
      const { layer, channel, channels } = model.get("facts");
      go(`${layer}:${(channel + Number(button.dataset.step) + channels) % channels}`);
    });
  }
  note.addEventListener("input", saved);
  part("keep").addEventListener("click", () =>
    ask({ kind: "note", text: note.value }, "Saving the note…"),
  );
  // The keys of a notebook are not for who writes a note.
  note.addEventListener("keydown", (event) => event.stopPropagation());
  model.on("change:facts", draw);
  model.on("msg:custom", heard);
  draw();
  return () => {
    model.off("change:facts", draw);
    model.off("msg:custom", heard);
    for (const url of urls) URL.revokeObjectURL(url);
  };
}

export default { render };
