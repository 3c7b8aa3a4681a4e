// A live view of a run. The frames arrive as messages; the page keeps them for its slider.

function forget(frames) {
  for (const frame of frames) URL.revokeObjectURL(frame.url);
  frames.length = 0;
}

function initialize(model, frames) {
  const heard = (message, buffers) => {
    if (message.kind === "begin") forget(frames);
    if (message.kind === "frame" && !frames.some((frame) => frame.step === message.step)) {
      const url = URL.createObjectURL(new Blob([buffers[0]], { type: "image/jpeg" }));
      frames.push({ step: message.step, url });
      frames.sort((one, other) => one.step - other.step);
    }
  };
  model.on("msg:custom", heard);
  model.send({ kind: "opened" });
  return () => {
    model.off("msg:custom", heard);
    forget(frames);
  };
}

function render(model, el, frames) {
  let chosen = null; // the index of a frame; null follows the last one

  const picture = element("img", { className: "convscope-picture" });
  const bar = element("progress", { className: "convscope-bar" });
  const line = element("span", { className: "convscope-line" });
  line.setAttribute("role", "status");
  const stop = element("button", { type: "button", textContent: "Stop" });
  const slider = element("input", { type: "range", min: 0, value: 0 });
  slider.setAttribute("aria-label", "frame");
  const view = element(
    "div",
    { className: "convscope-watch" },
    element("div", { className: "convscope-row" }, bar, line, stop),
    picture,
    element("div", { className: "convscope-row" }, slider),
  );

  function draw() {
    const get = (name) => model.get(name);
    const running = get("state") === "running" || get("state") === "waiting";
    const last = frames.length - 1;
    const index = chosen === null ? last : Math.min(chosen, last);
    const shown = frames[index];
    const steps = get("steps");
    const words = shown ? `step ${shown.step} of ${steps}` : "";
    const said = get("problem") || [get("state"), words].filter(Boolean).join(", ");
    line.textContent = `${get("title")}: ${said}`;
    bar.hidden = !running;
    bar.max = steps || 1;
    if (get("step")) bar.value = get("step");
    stop.hidden = !running;
    if (!running) stop.disabled = false;
    slider.hidden = last < 1;
    slider.max = Math.max(last, 0);
    slider.value = Math.max(index, 0);
    slider.setAttribute("aria-valuetext", words);
    picture.hidden = !shown;
    if (shown) {
      picture.src = shown.url;
      picture.alt = `${get("title")}, ${words}`;
    }
  }

  slider.addEventListener("input", () => {
    const index = Number(slider.value);
    chosen = index >= frames.length - 1 ? null : index;
    draw();
  });
  stop.addEventListener("click", () => {
    stop.disabled = true;
    model.send({ kind: "stop" });
  });
  const later = () => setTimeout(draw); // after `initialize` has taken the frame
  model.on("change", draw);
  model.on("msg:custom", later);
  el.append(view);
  draw();
  return () => {
    model.off("change", draw);
    model.off("msg:custom", later);
  };
}

// Called once for each run that is shown. The model that `render` gets is not the same object as
// that of `initialize`, so the frames ({step, url}) are kept here.
export default () => {
  const frames = [];
  return {
    initialize: ({ model }) => initialize(model, frames),
    render: ({ model, el }) => render(model, el, frames),
  };
};
