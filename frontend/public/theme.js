// Before the first paint: the color scheme that was chosen, if it is not the system's.
const chosen = localStorage.getItem("theme");
if (chosen) document.documentElement.dataset.theme = chosen;
