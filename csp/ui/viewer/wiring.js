// Events in: pointer, keys, the slider, the page's controls, new runs from the server. Last of the scripts.
slider.addEventListener("input", () => set({ layer: +slider.value, scrubbed: true }));
$("back").addEventListener("click", () => set({ layer: s.layer - 1, scrubbed: true }));
$("forth").addEventListener("click", () => set({ layer: s.layer + 1, scrubbed: true }));
$("close").addEventListener("click", () => set({ large: null }));

const play = (on) => {
  clearInterval(s.playing);
  s.playing = 0;
  if (on && !still) {
    if (s.layer >= run.L) set({ layer: 0, scrubbed: true });
    s.playing = setInterval(() => (s.layer < run.L ? set({ layer: s.layer + 1, scrubbed: true }) : play(false)), 250);
  }
  $("play").textContent = s.playing ? "Pause" : "Play";
  $("play").setAttribute("aria-pressed", !!s.playing);
};
$("play").disabled = still;
if (still) $("play").title = "Your system asks for less motion: step with the arrows";
$("play").addEventListener("click", () => play(!s.playing));

const under = (event) => {
  const { left, top } = base.getBoundingClientRect();
  return board.patchAt(event.clientX - left, event.clientY - top);
};
host.addEventListener("pointermove", (event) => {
  if (!run || event.pointerType === "touch") return;
  const at = under(event);
  if (at !== s.at) set({ at: at < 0 ? s.rest : at });
});
host.addEventListener("pointerleave", () => run && set({ at: s.rest }));
host.addEventListener("click", (event) => {
  const at = run ? under(event) : -1;
  if (at < 0) return;
  const second = at === s.rest;
  s.rest = at;
  // a tap shows the card first, the next one pins; a mouse has shown it already
  if (event.pointerType !== "touch" || second) act("pin", at);
  set({ at });
});

const step = (rows, cols) => {
  const [r, c] = s.at < 0 ? [0, 0] : rowCol(run, s.at), [R, C] = run.grid;
  const at = s.at < 0 ? Math.floor(R / 2) * C + Math.floor(C / 2) : Math.min(Math.max(r + rows, 0), R - 1) * C + Math.min(Math.max(c + cols, 0), C - 1);
  s.rest = at;
  set({ at });
  sayToken();
};
const stageStep = (by) => {
  const ends = [0, ...run.stages.map((stage) => stage.first + 1), run.L];
  const next = by > 0 ? ends.find((layer) => layer > s.layer) : [...ends].reverse().find((layer) => layer < s.layer);
  if (next !== undefined) set({ layer: next, scrubbed: true });
};
const cycle = (name, options) => set({ [name]: options[(options.indexOf(s[name]) + 1) % options.length] });
const digit = (n) => {
  const [view] = Object.entries(VIEWS).find(([, { key }]) => key === String(n)) || [];
  if (!s.large) return panels.at(n) && set({ large: panels.at(n) });
  if (view && has(run, view)) set({ view });
};
const escape = () => {
  if (s.pins.length || (s.at >= 0 && s.large)) set({ pins: [], at: -1, rest: -1 });
  else if (s.large && root.dataset.mode !== "learn") set({ large: null });
  else if (s.present) set({ present: false });
  else if (s.scrubbed) set({ scrubbed: false });
};

// What every key does: [key, words, action]. The dialog lists these same lines.
const KEYS = [
  ["ArrowLeft", "token to the left", () => step(0, -1)],
  ["ArrowRight", "token to the right", () => step(0, 1)],
  ["ArrowUp", "token above", () => step(-1, 0)],
  ["ArrowDown", "token below", () => step(1, 0)],
  ["Enter", "pin or unpin the token", () => act("pin", s.at)],
  ["Escape", "unpin all; back to all panels; leave the presentation", () => escape()],
  ["[", "a layer back", () => set({ layer: s.layer - 1, scrubbed: true })],
  ["]", "a layer forth", () => set({ layer: s.layer + 1, scrubbed: true })],
  [",", "to the stage before", () => stageStep(-1)],
  [".", "to the next stage", () => stageStep(1)],
  ["Home", "to the input", () => set({ layer: 0, scrubbed: true })],
  ["End", "to the last layer", () => set({ layer: run.L, scrubbed: true })],
  [" ", "play or pause", () => play(!s.playing)],
  ["0", "all panels: the one that the tower saw, large", () => digit(0)],
  ...Object.entries(VIEWS).filter(([, { key }]) => /\d/.test(key)).map(([, { key, label }]) => [key, `all panels: panel ${key} large; one large: view ${label}`, () => digit(+key)]),
  ["s", "scale: sqrt, linear, percentile", () => cycle("scale", SCALES)],
  ["n", "leave the largest out of the scale", () => cycle("sinks", SINKS)],
  ["m", "mask: outline, fill, difference, off", () => cycle("maskView", MASKS)],
  ["f", "difference from the dense mask", () => set({ maskView: s.maskView === "difference" ? "outline" : "difference" })],
  ["d", "outline of the dense mask", () => run.masks.dense && set({ dense: !s.dense })],
  ["t", "outline of the true mask", () => run.masks.truth && set({ truth: !s.truth })],
  ["k", "force the token to be kept in this stage", () => act("keep", s.at)],
  ["x", "force it to be dropped", () => act("drop", s.at)],
  ["r", "run again with what is forced", () => again()],
  ["w", "which tokens matter: leave each survivor out", () => sending.can && !$("matter").hidden && sending.matters()],
  ["b", "flip between runs A and B", () => history.flip()],
  ["l", "tokens of this layer as a table", () => set({ table: !s.table })],
  ["p", "presentation", () => set({ present: !s.present })],
  ["?", "these keys, and what the words mean", () => keysDialog()],
];
const TYPING = "textarea, select, [contenteditable], input:not([type=range], [type=radio], [type=checkbox], [type=file])";
document.addEventListener("keydown", (event) => {
  if (!element.isConnected || !run || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  const at = event.target, free = at === document.body || at === host;
  if (!["board", "learn"].includes(root.dataset.tab) || at.closest?.("dialog") || at.matches?.(TYPING)) return;
  const found = KEYS.find(([key]) => key === event.key || key === event.key.toLowerCase());
  // on the board every key is ours; elsewhere letters, digits and Escape, and none that a control uses itself
  if (!found || !(free || event.key === "Escape" || (event.key.length === 1 && event.key !== " "))) return;
  if (/^Arrow|^Enter$/.test(event.key) && !s.large) return;
  event.preventDefault();
  found[2]();
});

const keysDialog = () => {
  const shown = { " ": "Space", ArrowLeft: "\u2190", ArrowRight: "\u2192", ArrowUp: "\u2191", ArrowDown: "\u2193" };
  const rows = KEYS.map(([key, text]) => make("tr", {}, make("th", { scope: "row" }, make("kbd", { text: shown[key] || key.toUpperCase() })), make("td", { text })));
  const words = Object.entries(about?.glossary || {}).flatMap(([word, text]) => [make("dt", { text: word }), make("dd", { text })]);
  showDialog("Keys and words", make("div", { class: "v-help-box" }, make("div", {}, make("h3", { text: "Keys" }), make("table", {}, make("tbody", {}, ...rows))), make("div", {}, make("h3", { text: "Words" }), make("dl", { class: "v-glossary" }, ...words))));
};
const showDialog = (label, content) => {
  const close = make("button", { type: "button", text: "Close", class: "v-primary" });
  const dialog = make("dialog", { class: "v-keys", "aria-label": label }, content, close), from = document.activeElement;
  root.append(dialog);
  close.addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => {
    dialog.remove();
    (from && from !== document.body ? from : host).focus?.();
  });
  dialog.showModal();
};

// A text to read beside the page; a notebook is saved, to be opened where it runs.
const readOn = async (name) => {
  const told = await server_.read({ name });
  if (told.error) return sending.error(told.error);
  if (name.endsWith(".ipynb")) return save(told.text, "application/x-ipynb+json", name);
  showDialog(name, make("div", { class: "v-read" }, make("h3", { text: name }), make("pre", { text: told.text, tabindex: "0" })));
};

const files = $("files"), buttonFor = (text, work) => {
  const button = make("button", { type: "button", text });
  button.addEventListener("click", work);
  return button;
};
const fileName = (suffix) => `csp-${s.view}-layer-${s.layer}.${suffix}`;
const link = make("input", { type: "text", readonly: "", "aria-label": "Link to this view" });
files.append(
  make("h3", { text: "This panel" }),
  make("div", { class: "v-acts" },
    buttonFor("PNG", async () => save(await toPng(board, base, over, s), "image/png", fileName("png"))),
    buttonFor("SVG", () => save(toSvg(board, s, look), "image/svg+xml", fileName("svg"))),
    buttonFor("Copy link", () => {
      link.select();
      navigator.clipboard?.writeText(link.value).then(() => say("Link copied"), () => say("Select the link and copy it"));
    }),
  ),
  link,
);
$("scale").append(make("span"), make("span", { class: "v-ramp", "aria-hidden": "true" }), make("span"), make("span", { class: "v-hint" }));

// The mask's own control: a threshold over the logits that there are, and the scores at it.
const threshold = make("input", { type: "range", min: -8, max: 8, step: 0.1, value: 0, "aria-label": "Mask threshold" });
const scores = make("p");
$("mask").append(make("h3", { text: "Mask threshold" }), threshold, scores);
threshold.addEventListener("input", () => set({ threshold: Math.abs(+threshold.value) < 0.05 ? 0 : +threshold.value }));
