"use strict";
(() => {
  const root = document.body.dataset.root ?? "";
  const inside = document.body.hasAttribute("data-inside");
  const page = () => inside
    ? document.querySelector("section.page:target") ?? document.querySelector("section.page")
    : document;
  const shownLinks = () => [...page().querySelectorAll(".tiles a, .map a")].filter(one => one.checkVisibility?.() ?? true);

  for (const one of document.querySelectorAll(".tools, .keys")) one.hidden = false;

  // ------------------------------------------------------------------ sorting
  const orders = {
    channel: (a, b) => a.channel - b.channel,
    high: (a, b) => b.high - a.high,
    sparsity: (a, b) => b.sparsity - a.sparsity,
    label: (a, b) => a.label.localeCompare(b.label) || b.push - a.push,
    push: (a, b) => b.push - a.push,
  };
  for (const select of document.querySelectorAll("[data-sort]")) {
    const tiles = select.closest(".tools").parentElement.querySelector("[data-tiles]");
    const sort = () => {
      const order = orders[select.value];
      const all = [...tiles.children].map(one => [one.dataset, one]);
      all.sort((a, b) => order(a[0], b[0]) || a[0].channel - b[0].channel);
      tiles.append(...all.map(one => one[1]));
    };
    select.addEventListener("change", sort);
    if (select.value !== "channel") sort(); // a browser remembers what was chosen
  }

  // -------------------------------------------------------------------- links
  if (navigator.clipboard) for (const step of document.querySelectorAll("nav.path .step")) {
    const button = document.createElement("button");
    button.textContent = "copy link";
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(location.href);
      button.textContent = "copied";
    });
    button.addEventListener("blur", () => { button.textContent = "copy link"; });
    step.append(button);
  }

  // --------------------------------------------------------------------- keys
  function step(by) {
    const links = shownLinks(), here = links.indexOf(document.activeElement);
    const next = links[Math.min(Math.max(here < 0 ? 0 : here + by, 0), links.length - 1)];
    next?.focus();
    next?.scrollIntoView({block: "nearest"});
  }
  document.addEventListener("keydown", event => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input[type=search], select")) return;
    if (event.key === "j") step(1);
    else if (event.key === "k") step(-1);
    else if (event.key === "[") page().querySelector("a[rel=prev]")?.click();
    else if (event.key === "]") page().querySelector("a[rel=next]")?.click();
    else if (event.key === "/") { event.preventDefault(); document.querySelector(".find input")?.focus(); }
  });

  // ------------------------------------------------------------------- search
  const bar = document.querySelector(".top > div");
  const field = document.createElement("div");
  field.className = "find";
  field.innerHTML = '<input type="search" placeholder="unit, class or photograph" aria-label="Search" autocomplete="off" spellcheck="false"><ul class="found"></ul>';
  bar.append(field);
  const [input, list] = field.children;
  let names = null;
  window.convscopeNames = found => { names = found; search(); };
  input.addEventListener("focus", () => {
    if (inside || names || document.getElementById("names")) return;
    const script = document.createElement("script"); // a page on a disk may not fetch
    script.id = "names";
    script.src = `${root}names.js`;
    document.head.append(script);
  });
  input.addEventListener("input", search);
  input.addEventListener("keydown", event => {
    const links = [...list.querySelectorAll("a")];
    if (event.key === "Enter") links[0]?.click();
    if (event.key === "ArrowDown") { event.preventDefault(); links[0]?.focus(); }
    if (event.key === "Escape") { input.value = ""; search(); }
  });
  const address = found => inside ? `#${found}` : `${root}${found}.html`;
  function search() {
    list.replaceChildren();
    const wanted = input.value.trim().toLowerCase();
    if (!names || !wanted) return;
    for (const [text, where] of matches(wanted).slice(0, 30)) {
      const link = document.createElement("a"), line = document.createElement("li");
      link.href = address(where);
      link.textContent = text;
      link.addEventListener("click", () => { input.value = ""; search(); });
      line.append(link);
      list.append(line);
    }
  }
  function matches(wanted) {
    const [, layer, number] = wanted.match(/^(.*?)[:\s]*(\d*)$/);
    const found = [];
    for (const [name, folder, channels] of names.layers) {
      const lower = name.toLowerCase();
      if (lower.includes(wanted)) found.push([name, `layers/${folder}`]);
      if (number && lower.includes(layer) && +number < channels) found.push([`${name}:${+number}`, `units/${folder}/${+number}`]);
    }
    for (const [label, folder, name, channel] of names.classes)
      if (label.toLowerCase().includes(wanted)) found.push([`${name}:${channel} pushes ${label} up`, `units/${folder}/${channel}`]);
    for (const [row, ...texts] of names.photographs)
      if (texts.some(text => text.toLowerCase().includes(wanted))) found.push([texts.filter(Boolean).join(", "), `photographs/${row}`]);
    return found;
  }
})();
