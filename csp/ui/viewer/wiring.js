// Events in: pointer, keys, the slider, the page's controls, new runs from the server. Last of the scripts.
slider.addEventListener("input", () => set({ layer: +slider.value }));
$("back").addEventListener("click", () => set({ layer: s.layer - 1 }));
$("forth").addEventListener("click", () => set({ layer: s.layer + 1 }));
$("steps").addEventListener("click", (event) => set({ layer: steps.layerAt(event.clientX - $("steps").getBoundingClientRect().left) }));

const play = (on) => {
  clearInterval(s.playing);
  s.playing = 0;
  if (on && !still) {
    if (s.layer >= run.L) set({ layer: 0 });
    s.playing = setInterval(() => (s.layer < run.L ? set({ layer: s.layer + 1 }) : play(false)), 250);
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
  if (next !== undefined) set({ layer: next });
};
const cycle = (name, options) => set({ [name]: options[(options.indexOf(s[name]) + 1) % options.length] });

// What every key does: [key, words, action]. The dialog lists these same lines.
const KEYS = [
  ["ArrowLeft", "token to the left", () => step(0, -1)],
  ["ArrowRight", "token to the right", () => step(0, 1)],
  ["ArrowUp", "token above", () => step(-1, 0)],
  ["ArrowDown", "token below", () => step(1, 0)],
  ["Enter", "pin or unpin the token", () => act("pin", s.at)],
  ["Escape", "unpin all; leave the presentation", () => (s.present ? set({ present: false }) : set({ pins: [], at: -1, rest: -1 }))],
  ["[", "a layer back", () => set({ layer: s.layer - 1 })],
  ["]", "a layer forth", () => set({ layer: s.layer + 1 })],
  [",", "to the stage before", () => stageStep(-1)],
  [".", "to the next stage", () => stageStep(1)],
  ["Home", "to the input", () => set({ layer: 0 })],
  ["End", "to the last layer", () => set({ layer: run.L })],
  [" ", "play or pause", () => play(!s.playing)],
  ...Object.entries(VIEWS).map(([view, { key, label }]) => [key, `view: ${label}`, () => has(run, view) && set({ view })]),
  ["s", "scale: sqrt, linear, percentile", () => cycle("scale", SCALES)],
  ["n", "leave the largest out of the scale", () => cycle("sinks", SINKS)],
  ["m", "mask: outline, fill, difference, off", () => cycle("maskView", MASKS)],
  ["f", "difference from the dense mask", () => set({ maskView: s.maskView === "difference" ? "outline" : "difference" })],
  ["d", "outline of the dense mask", () => run.masks.dense && set({ dense: !s.dense })],
  ["t", "outline of the true mask", () => run.masks.truth && set({ truth: !s.truth })],
  ["k", "force the token to be kept in this stage", () => act("keep", s.at)],
  ["x", "force it to be dropped", () => act("drop", s.at)],
  ["r", "run again with what is forced", () => again()],
  ["b", "flip between runs A and B", () => history.flip()],
  ["l", "tokens of this layer as a table", () => set({ table: !s.table })],
  ["p", "presentation", () => set({ present: !s.present })],
  ["?", "these keys", () => keysDialog()],
];
const typing = "input, select, textarea, button, summary, [role=slider]";
root.addEventListener("keydown", (event) => {
  if (!run || event.ctrlKey || event.metaKey || event.altKey || event.target.closest("dialog")) return;
  const found = KEYS.find(([key]) => key === event.key || key === event.key.toLowerCase());
  // on the board every key is ours; elsewhere only letters, and none while something is typed or moved
  const own = event.target === host || (event.key.length === 1 && event.key !== " " && !event.target.matches("input, textarea")) || (s.present && !event.target.matches(typing));
  if (!found || !(own || (event.key === "Escape" && s.present))) return;
  event.preventDefault();
  found[2]();
});

const keysDialog = () => {
  const shown = { " ": "Space", ArrowLeft: "\u2190", ArrowRight: "\u2192", ArrowUp: "\u2191", ArrowDown: "\u2193" };
  const rows = KEYS.map(([key, text]) => make("tr", {}, make("th", { scope: "row" }, make("kbd", { text: shown[key] || key.toUpperCase() })), make("td", { text })));
  const close = make("button", { type: "button", text: "Close", class: "v-primary" });
  const dialog = make("dialog", { class: "v-keys", "aria-label": "Keys" }, make("h3", { text: "Keys on the board" }), make("table", {}, make("tbody", {}, ...rows)), close);
  root.append(dialog);
  close.addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => {
    dialog.remove();
    host.focus();
  });
  dialog.showModal();
};

// One panel, large: real full screen where the browser grants it, the whole window otherwise.
const presentation = () => {
  root.classList.toggle("v-present", s.present);
  if (s.present) {
    root.requestFullscreen?.().catch(() => {});
    host.focus();
  } else if (document.fullscreenElement === root) document.exitFullscreen();
  requestAnimationFrame(() => layout(true));
};
document.addEventListener("fullscreenchange", () => {
  if (!element.isConnected) return;
  if (!document.fullscreenElement && s.present && root.dataset.full) set({ present: false });
  root.dataset.full = document.fullscreenElement === root ? "1" : "";
  layout(true);
});

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
$("scale").children[1].style.background = `linear-gradient(90deg, ${[0, 0.25, 0.5, 0.75, 1].map((at) => rgb(look.heat.slice(3 * Math.round(255 * at), 3 * Math.round(255 * at) + 3))).join(", ")})`;

// The address of what is on screen: the run's own link, and layer, view and step. Written when things have settled:
// browsers ration changes of the address.
let writing = 0;
const address = () => {
  clearTimeout(writing);
  writing = setTimeout(writeAddress, 150);
};
const writeAddress = () => {
  if (!run) return;
  const before = new URLSearchParams(window.location.search), query = new URLSearchParams();
  for (const [name, value] of before) if (name.startsWith("__")) query.set(name, value);
  for (const [name, value] of Object.entries(run.link || {})) query.set(name, value);
  const tab = document.querySelector("#csp-page")?.dataset.tab || before.get("tab");
  if (tab && tab !== "explore") query.set("tab", tab);
  query.set("at", s.layer);
  query.set("show", s.view);
  if (tab === "learn") query.set("step", lesson.step);
  const url = `${window.location.pathname}?${query}`;
  link.value = new URL(url, window.location.href).href;
  // the page's first result is not the visitor's doing, and a link that led here must stay until it is read
  if (run.link && settled) window.history.replaceState(window.history.state, "", url);
};
const asked = new URLSearchParams(window.location.search);
if (VIEWS[asked.get("show")]) s.view = asked.get("show");
if (/^\d{1,3}$/.test(asked.get("at") || "")) Object.assign(s, { layer: +asked.get("at"), told: true });

// The page says which tab is open and where its sliders stand.
const open = (tab) => {
  // a step may have hidden the outlines: the board does not keep that to itself
  if (tab !== "learn" && root.dataset.mode === "learn" && s.maskView === "off") set(OUTLINES);
  root.dataset.mode = tab === "learn" ? "learn" : "tokens";
  $("lesson").hidden = tab !== "learn";
  requestAnimationFrame(() => {
    layout();
    if (tab === "learn" && run) lesson.go(lesson.step, true);
    else address();
  });
};
root.addEventListener("csp-tab", (event) => open(event.detail));
root.addEventListener("csp-knobs", (event) => run && bar.set(event.detail));
const begin = /^[1-8]$/.test(asked.get("step") || "") ? +asked.get("step") : 1;
lesson.go(begin, false);

const pictureOf = async (source) => {
  if (run?.picture === source) return history.shown.picture;
  const image = new Image();
  image.src = source;
  await image.decode();
  return image;
};
const arrive = async () => {
  const began = performance.now(), mine = ++turn, data = read();
  $("error").textContent = data.error || "";
  if (!data.block) return;
  try {
    const [came, picture] = await Promise.all([runOf(data), pictureOf(data.picture)]);
    if (mine !== turn) return;
    settled ||= mine > 1;
    history.add(came, picture);
    enter(history.shown);
    root.dataset.arriveMs = (performance.now() - began).toFixed(1);
    requestAnimationFrame(() => setTimeout(() => {
      root.dataset.paintedMs = (performance.now() - began).toFixed(1);
      root.dataset.run = mine;
    }));
  } catch (error) {
    $("error").textContent = `The run could not be drawn: ${error.message}`;
  }
};
new ResizeObserver(() => layout()).observe($("main"));
watch("value", arrive);
arrive();
