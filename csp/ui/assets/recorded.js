// The gallery of a page without a model: thumbnails with their words; a click or the arrow keys bring a run onto the board.
const root = element.querySelector(".csp-recorded");
const list = root.querySelector(".r-list"), find = root.querySelector("input"), told = root.querySelector(".r-told");
const { runs, notes, shown } = read();
const asked = new URLSearchParams(window.location.search).get("run");
let at = runs.some((run) => run.file === asked) ? asked : shown;
const items = runs.map((run) => {
  const words = make("span", {}, make("b", { text: run.query }), make("small", { text: run.title }), make("small", { text: run.numbers }), make("small", { class: "r-model", text: run.model }));
  const item = make("button", { type: "button", role: "option", "data-file": run.file, title: run.alt }, make("img", { src: run.src, alt: run.alt, loading: "lazy" }), words);
  item.addEventListener("click", () => choose(run.file));
  return item;
});
list.append(...items);
root.querySelector(".r-notes").append(...notes.map((text) => make("p", { text })));
const mark = () => items.forEach((item) => {
  item.setAttribute("aria-selected", item.dataset.file === at);
  item.tabIndex = item.dataset.file === at ? 0 : -1;
});
const choose = (file) => {
  at = file;
  mark();
  trigger("pick", { file });
  const query = new URLSearchParams(window.location.search);
  query.set("run", file);
  window.history.replaceState(window.history.state, "", `${window.location.pathname}?${query}`);
};
const seen = () => items.filter((item) => !item.hidden);
list.addEventListener("keydown", (event) => {
  const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
  if (!by) return;
  event.preventDefault();
  const all = seen(), next = all[(all.indexOf(document.activeElement) + by + all.length) % all.length];
  next?.focus();
  next?.click();
});
const search = () => {
  const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
  runs.forEach((run, i) => (items[i].hidden = !words.every((word) => `${run.query} ${run.title} ${run.model}`.toLowerCase().includes(word))));
  told.textContent = `${seen().length} of ${runs.length} runs`;
};
find.addEventListener("input", search);
search();
mark();
items.find((item) => item.dataset.file === at)?.scrollIntoView({ block: "nearest", inline: "nearest" });
if (at !== shown) trigger("pick", { file: at });
