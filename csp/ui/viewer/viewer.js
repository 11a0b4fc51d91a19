// The viewer's state and what moves it: one object `s`, one function `set` that changes it and draws what follows.
const root = element.querySelector(".csp-viewer");
const $ = (name) => root.querySelector(`.v-${name}`);
const look = JSON.parse(props.look);
const base = $("base"), over = $("over"), host = $("board"), slider = $("layer");
const board = makeBoard(base, over, look);
const still = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
const MASKS = ["outline", "fill", "difference", "off"], SCALES = ["sqrt", "linear", "percentile"], SINKS = [0, 1, 2, 4];
const s = {
  layer: 0, view: "state", scale: "sqrt", sinks: 0, opacity: 0.85,
  maskView: "outline", dense: true, truth: true, threshold: 0, mask: null, maskTurn: 0,
  at: -1, rest: -1, pins: [], force: {}, forced: { keep: [], drop: [] }, table: false, present: false, playing: 0,
};
let ink = "#888", run = null, turn = 0, cards = new Map(), steps = null, words = null, bend = null, drawn = null, settled = false;

const stageHere = () => run.stages[Math.max(0, run.stageAt[s.layer])];
s.orders = () => s.force[stageHere().name] || { keep: new Set(), drop: new Set() };

// Controls that are buttons: made once, their state follows `s`.
const choice = (box, name, options, label) => {
  const buttons = options.map(([value, text, title]) => {
    const button = make("button", { type: "button", role: "radio", "data-value": value, text, title });
    button.addEventListener("click", () => set({ [name]: value }));
    return button;
  });
  box.append(...(label ? [make("span", { text: label })] : []), ...buttons);
  return () => buttons.forEach((button) => {
    const on = String(s[name]) === button.dataset.value;
    button.setAttribute("aria-checked", on);
    button.tabIndex = on ? 0 : -1;
  });
};
const roving = (box) =>
  box.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 }[event.key];
    if (!by) return;
    event.preventDefault();
    event.stopPropagation();
    const all = [...box.querySelectorAll("[role=radio]:not(:disabled)")], next = all[(all.indexOf(document.activeElement) + by + all.length) % all.length];
    next.focus();
    next.click();
  });
const group = (name, label, options) => {
  const box = make("div", { role: "radiogroup", "aria-label": label, class: "v-group" });
  roving(box);
  $("options").append(box);
  return [choice(box, name, options, label), box];
};
const toggle = (name, text, title) => {
  const button = make("button", { type: "button", text, title, class: "v-toggle" });
  button.addEventListener("click", () => set({ [name]: !s[name] }));
  $("options").append(button);
  return [() => button.setAttribute("aria-pressed", !!s[name]), button];
};

const viewButtons = choice($("views"), "view", Object.entries(VIEWS).map(([name, { label, key, help }]) => [name, label, `${key}: ${help}`]));
roving($("views"));
const [scaleButtons, scaleBox] = group("scale", "Scale", SCALES.map((name) => [name, name, "S"]));
const [sinkButtons, sinkBox] = group("sinks", "Leave out of the scale", SINKS.map((n) => [n, n ? `top ${n}` : "none", "N: attention sinks"]));
const [maskButtons] = group("maskView", "Mask", MASKS.map((name) => [name, name, "M"]));
const [denseButton, denseNode] = toggle("dense", "Dense", "D: outline of the dense mask");
const [truthButton, truthNode] = toggle("truth", "True", "T: outline of the true mask");
const [tableButton] = toggle("table", "Table", "L: tokens of this layer as text");
const [presentButton] = toggle("present", "Present", "P: this panel alone, large");
const help = make("button", { type: "button", text: "?", class: "v-toggle", "aria-label": "Keys" });
help.addEventListener("click", () => keysDialog());
$("options").append(help);

// The mask's own control: a threshold, and the scores at it.
const threshold = make("input", { type: "range", min: -8, max: 8, step: 0.1, value: 0, "aria-label": "Mask threshold" });
const scores = make("p");
$("mask").append(make("h3", { text: "Mask threshold" }), threshold, scores);
threshold.addEventListener("input", () => set({ threshold: +threshold.value }));

const bar = makeStageBar($("stagebar"), look, (layers) => trigger("layers", layers));
const lesson = makeLessons($("lesson"), (change) => set(change), () => address());
const history = makeHistory((entry) => enter(entry), (link) => trigger("recall", { link }));

const ONLY_SHOWN = "A saved run is only shown: the model that made it is not here to run again.";

const act = (name, patch) => {
  if (patch < 0) return;
  if (name === "pin") set({ pins: s.pins.includes(patch) ? s.pins.filter((p) => p !== patch) : [...s.pins, patch].slice(-6) });
  else if (run.opened) say(ONLY_SHOWN);
  else {
    const stage = stageHere().name, orders = s.force[stage] || { keep: new Set(), drop: new Set() };
    const [on, off] = name === "keep" ? [orders.keep, orders.drop] : [orders.drop, orders.keep];
    off.delete(patch);
    if (!on.delete(patch)) on.add(patch);
    set({ force: { ...s.force, [stage]: orders } });
  }
};

const forcedNow = () => {
  const out = {};
  for (const [stage, { keep, drop }] of Object.entries(s.force))
    if (keep.size + drop.size) out[stage] = { keep: [...keep].sort((a, b) => a - b), drop: [...drop].sort((a, b) => a - b) };
  return out;
};

const again = () => {
  const force = forcedNow();
  if (run.opened) say(ONLY_SHOWN);
  else if (Object.keys(force).length) trigger("force", { force });
};

// Parts of the page that follow `s`; each is cheap, all together are what "drawing a layer" means.
const drawTokens = () => {
  if (board.drawn !== run) return;
  const began = performance.now();
  drawn = board.draw(s);
  const told = layerWords(run, s.layer);
  $("where").textContent = told;
  slider.value = s.layer;
  slider.setAttribute("aria-valuetext", told);
  steps?.at(s.layer);
  root.dataset.layer = s.layer;
  root.dataset.active = s.layer ? stageHere().n : run.N;
  const spent = performance.now() - began;
  drawSide();
  root.dataset.drawMs = (performance.now() - began).toFixed(2);
  root.dataset.canvasMs = spent.toFixed(2);
};

const drawSide = () => {
  for (const card of cards.values()) card.update(s);
  words.update(s);
  $("legend").replaceChildren(...(s.view === "state" || s.view === "attention" || s.view === "age" ? legendItems(run, s, statesAt(run, s.layer), look) : legendItems(run, s, [], look)));
  drawScale();
  if (s.table) $("table").replaceChildren(tokenTable(run, s, look));
  if (s.view === "positions") $("ruler").lastElementChild.textContent = drawRuler($("ruler").firstElementChild, steps.room, run, s.layer, look, ink);
};

const drawScale = () => {
  if (!drawn) return;
  const { top, low = 0, beyond = [] } = drawn, known = top === top && top !== undefined;
  $("scale").hidden = !known;
  if (!known) return;
  const share = s.view === "attention" || s.view === "cls", text = (v) => (share ? percent(v) : tenth(v));
  const [from, ramp, to, note] = $("scale").children;
  from.textContent = s.scale === "percentile" && share ? "lowest" : text(low);
  to.textContent = `${s.scale === "percentile" && share ? "highest, " : ""}${text(top)}`;
  note.textContent = [share ? `${s.scale} scale` : VIEWS[s.view].help, beyond.length ? `${beyond.length} sinks left out: ${beyond.map((p) => percent(drawn.values[p])).join(", ")}` : ""].filter(Boolean).join("; ");
  ramp.hidden = false;
};

const drawMarks = () => {
  if (board.drawn !== run) return;
  const { keep, drop } = s.orders();
  s.forced = { keep: [...keep], drop: [...drop] };
  board.drawOver(s);
  root.dataset.picked = s.pins.join(" ");
  root.dataset.at = s.at;
};

// Cards of the token under the cursor and of those pinned; kept by patch, so that a focused button stays itself.
const dealCards = () => {
  const wanted = [...s.pins, ...(s.at >= 0 && !s.pins.includes(s.at) ? [s.at] : [])];
  for (const [patch] of cards) if (!wanted.includes(patch)) cards.delete(patch);
  wanted.forEach((patch) => {
    const i = s.pins.indexOf(patch), color = i < 0 ? null : look.pins[i % look.pins.length];
    const had = cards.get(patch);
    if (!had || String(had.color) !== String(color)) cards.set(patch, makeCard(run, patch, color, look, act));
    cards.get(patch).update(s);
  });
  const nodes = wanted.map((patch) => cards.get(patch).node), old = [...$("cards").children].slice(1);
  if (nodes.length !== old.length || nodes.some((node, i) => node !== old[i])) {
    const note = make("p", { class: "v-hint", text: wanted.length ? "" : "Point at a token, or move with the arrow keys. Enter pins it." });
    note.hidden = wanted.length > 0;
    $("cards").replaceChildren(note, ...nodes);
  }
};

const drawForce = () => {
  const force = forcedNow(), names = Object.keys(force), box = $("force");
  const lines = names.map((name) => make("li", { text: `${name}: keep ${force[name].keep.join(", ") || "none"}; drop ${force[name].drop.join(", ") || "none"}` }));
  const go = make("button", { type: "button", text: "Run with these", class: "v-primary", title: "R" }), clear = make("button", { type: "button", text: "Clear" });
  go.addEventListener("click", again);
  clear.addEventListener("click", () => set({ force: {} }));
  const asked = names.length ? [make("ul", {}, ...lines), make("div", { class: "v-acts" }, go, clear)] : [make("p", { class: "v-hint", text: "Force the token at the cursor into a stage (K) or out of it (X), then run again (R)." })];
  box.replaceChildren(make("h3", { text: "What if" }), ...(run.opened ? [make("p", { class: "v-hint", text: ONLY_SHOWN })] : asked));
};

const drawOutcome = () => {
  const { dense, truth } = run.iou, changed = changes(run), before = changed ? history.before(run) : null;
  const facts = [`N_avg ${tenth(run.n_avg)} of ${run.N}`];
  if (dense !== null) facts.push(`IoU with the dense mask ${dense.toFixed(2)}`);
  if (truth !== null) facts.push(`IoU with the true mask ${truth.toFixed(2)}`);
  const lines = [make("h3", { text: run.title }), make("p", { text: `\u201c${run.query}\u201d` }), make("p", { text: facts.join(" \u00b7 ") })];
  if (changed) lines.push(make("p", { class: "v-changed", text: forcedWords(run, before) }));
  $("outcome").replaceChildren(...lines);
};

const drawScores = () => {
  const of = (name, exact) => (run.masks[name] ? (s.threshold ? iouOf(s.mask, run.masks[name]) : exact).toFixed(2) : null);
  const dense = of("dense", run.iou.dense), truth = of("truth", run.iou.truth);
  let covered = 0;
  for (const pixel of s.mask) covered += pixel;
  const area = `${((100 * covered) / run.pixels).toFixed(1)} % of the picture`;
  scores.textContent = [`logit > ${s.threshold.toFixed(1)}: ${area}`, dense && `IoU dense ${dense}`, truth && `IoU true ${truth}`].filter(Boolean).join(" \u00b7 ");
  threshold.setAttribute("aria-valuetext", scores.textContent);
};

const say = (text) => ($("live").textContent = text);
const sayToken = () => {
  if (s.at < 0) return;
  const state = statesAt(run, s.layer)[s.at], view = s.view === "state" ? "attention" : s.view, value = valuesAt(run, view, s.layer)[s.at];
  say(`${tokenName(run, s.at)}, ${state === ENTERED ? "enters" : look.states[STATES[state]].label}, ${valueWords(run, view, value)}`);
};

// Change the state, then draw what depends on what changed.
const set = (change) => {
  if (!run) return Object.assign(s, change);
  const was = { ...s };
  Object.assign(s, change);
  s.layer = Math.min(Math.max(Math.round(s.layer), 0), run.L);
  if (!has(run, s.view)) s.view = "state";
  if (s.maskView === "difference" && !run.masks.dense) s.maskView = "outline";
  const moved = (...names) => names.some((name) => s[name] !== was[name]);
  if (moved("threshold")) {
    s.mask = maskAt(run, s.threshold);
    s.maskTurn++;
    threshold.value = s.threshold;
  }
  if (moved("present")) presentation();
  if (moved("view")) $("ruler").hidden = s.view !== "positions";
  if (moved("table")) $("table").hidden = !s.table;
  if (moved("layer", "view", "scale", "sinks", "opacity", "table")) drawTokens();
  if (moved("maskView", "dense", "truth") && !moved("layer", "view")) drawSide();
  if (moved("at", "pins", "force", "layer")) dealCards();
  if (moved("at", "pins", "maskView", "dense", "truth", "threshold", "force", "layer")) drawMarks();
  if (moved("force")) drawForce();
  if (moved("threshold")) drawScores();
  if (moved("view", "scale", "sinks", "maskView", "dense", "truth", "table", "present")) buttons();
  if (moved("layer", "view")) {
    settled = true;
    say($("where").textContent + (s.view === "state" ? "" : `, ${VIEWS[s.view].label}`));
    address();
  }
  if (root.dataset.mode === "learn") lesson.onState(s);
};

const buttons = () => {
  for (const draw of [viewButtons, scaleButtons, sinkButtons, maskButtons, denseButton, truthButton, tableButton, presentButton]) draw();
  scaleBox.hidden = sinkBox.hidden = !(s.view === "attention" || s.view === "cls");
  sinkBox.hidden ||= s.view === "cls";
  for (const button of $("views").children) {
    const view = button.dataset.value, known = has(run, view);
    button.disabled = !known;
    button.title = known ? `${VIEWS[view].key}: ${VIEWS[view].help}` : "not known for this run";
  }
  denseNode.disabled = !run.masks.dense;
  truthNode.disabled = !run.masks.truth;
  root.dataset.view = s.view;
};

// Show an entry of the history: the same layer, view and token as far as it has them.
const enter = (entry) => {
  const first = !run;
  run = entry.run;
  history.shown = entry;
  board.load(run, entry.picture);
  cards = new Map();
  if (s.at >= run.N) s.at = s.rest = -1;
  s.pins = s.pins.filter((p) => p < run.N);
  s.layer = Math.min(first && !s.told ? scatterEnd(run) : s.layer, run.L);
  if (!has(run, s.view)) s.view = "state";
  s.mask = maskAt(run, s.threshold);
  s.maskTurn++;
  slider.max = run.L;
  words = makeWords(run);
  bend = elbow(run);
  $("words").replaceChildren(words.node);
  bar.set({ L: run.L, N: run.N });
  if ("Lc" in run.knobs) bar.set(run.knobs);
  $("stagebar").hidden = !("Lc" in run.knobs);
  layout(true);
  buttons();
  drawForce();
  drawOutcome();
  drawScores();
  history.draw($("runs"));
  lesson.onRun(run, s);
  address();
};

// The box that the board may fill, in CSS pixels.
const roomFor = () => {
  if (s.present) return [window.innerWidth * 0.56, window.innerHeight - $("main").getBoundingClientRect().top - 14];
  return [$("left").clientWidth, Math.max(260, Math.min(640, window.innerHeight * 0.72))];
};

const layout = (anew = false) => {
  if (!run || !$("main").clientWidth) return;
  const changed = board.fit(...roomFor());
  host.style.width = base.style.width;
  root.style.setProperty("--board", base.style.width);
  const width = Math.round($("axis-box").clientWidth);
  if (anew || steps?.room !== width) {
    steps = stepChart(run, width, look, s.present ? 130 : 96);
    steps.room = width;
    $("steps").replaceChildren(steps);
    drawElbow();
  }
  ink = getComputedStyle(root).color;
  if (!(anew || changed)) return;
  drawTokens();
  dealCards();
  drawMarks();
};

const drawElbow = () => {
  const box = $("elbow");
  if (!bend) return box.replaceChildren();
  const { chart, label } = elbowChart(run, bend, Math.max(220, box.clientWidth || 260), look);
  box.replaceChildren(make("h3", { text: `How many matter: ${bend.name}, summed from the highest` }), chart, make("p", { class: "v-hint", text: label }));
};
