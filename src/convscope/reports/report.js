"use strict";
(() => {
  const at = id => document.getElementById(id);
  const cases = [...document.querySelectorAll("article")];
  const sections = [...document.querySelectorAll("section")];
  const shown = () => cases.filter(one => !one.hidden);
  function filter() {
    const wanted = at("class").value, name = at("name").value.trim().toLowerCase();
    for (const one of cases) {
      const {label, prediction, name: path} = one.dataset;
      one.hidden = Boolean(wanted && label !== wanted && prediction !== wanted)
        || !path.toLowerCase().includes(name);
    }
    for (const one of sections) one.hidden = !one.querySelector("article:not([hidden])");
    at("count").textContent = `${shown().length} of ${cases.length}`;
  }
  function go(step) {
    const open = shown(), here = document.activeElement.closest("article");
    let next = open.indexOf(here) + step;
    if (!here) next = open.findIndex(one => one.getBoundingClientRect().top > 0) - (step < 0);
    const target = open[Math.min(Math.max(next, 0), open.length - 1)];
    if (target) { target.focus({preventScroll: true}); target.scrollIntoView(); }
  }
  at("class").addEventListener("change", filter);
  at("name").addEventListener("input", filter);
  document.addEventListener("keydown", event => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, select")) return;
    if (event.key === "j") go(1);
    if (event.key === "k") go(-1);
  });
  document.querySelector(".tools").hidden = false;
  filter();
})();
