// The board's state and what moves it: one object `s`, one function `set` that changes it and draws what follows.
const root = element.querySelector(".csp-viewer");
const $ = (name) => root.querySelector(`.v-${name}`);
const look = JSON.parse(props.look), about = JSON.parse(props.about || "null");
const base = $("base"), over = $("over"), host = $("board"), slider = $("layer");
const board = makeBoard(base, over, look);
const still = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
const MASKS = ["outline", "fill", "difference", "off"], SCALES = ["sqrt", "linear", "percentile"], SINKS = [0, 1, 2, 4];
const s = {
  layer: 0, scrubbed: false, view: "state", scale: "sqrt", sinks: 0, opacity: 0.85, cmap: Object.keys(look.heats || { "": 0 })[0], head: -1,
  maskView: "outline", dense: true, truth: true, threshold: 0, mask: null, maskTurn: 0, ghost: null,
  at: -1, rest: -1, pins: [], force: {}, forced: { keep: [], drop: [] }, table: false, present: false, playing: 0, large: null, lit: [],
};
let ink = "#888", run = null, turn = 0, cards = new Map(), steps = null, words = null, bend = null, drawn = null, settled = false, side = 0;

const stageHere = () => run.stages[Math.max(0, run.stageAt[s.layer])];
s.orders = () => s.force[stageHere().name] || { keep: new Set(), drop: new Set() };
const panels = makePanels($("panels"), $("strip"), look, (id) => set({ large: id }));

const [scaleButtons, scaleBox] = group("scale", "Scale", SCALES.map((name) => [name, name, "S"]));
const [sinkButtons, sinkBox] = group("sinks", "Leave out of the scale", SINKS.map((n) => [n, n ? `top ${n}` : "none", "N: attention sinks"]));
const [headChoice, headBox] = pickOne("head", "Head", "of the layer that ranks");
const [cmapChoice, cmapBox] = pickOne("cmap", "Colours", "of heat");
const [maskButtons] = group("maskView", "Mask", MASKS.map((name) => [name, name, "M"]));
const [denseButton, denseNode] = toggle("dense", "Dense", "D: outline of the dense mask");
const [truthButton, truthNode] = toggle("truth", "True", "T: outline of the true mask");
const [tableButton] = toggle("table", "Table", "L: tokens of this layer as text");
const viewButtons = choice($("views"), "view", Object.entries(VIEWS).map(([name, { label, key, help }]) => [name, label, `${key}: ${help}`]));
roving($("views"));

// What the lecture asks of the page; the rail and the server come later in this script.
const lecture = {
  live: () => live,
  state: () => s,
  asked: () => rail.asked,
  label: () => about.methods.find((one) => one.name === rail.asked.method)?.label,
  knobs: () => about?.methods.find((one) => one.name === "csp")?.knobs || [],
  defaults: () => Object.fromEntries(lecture.knobs().map((knob) => [knob.name, about.start.method === "csp" ? about.start.knobs[knob.name] ?? knob.default : knob.default])),
  // another method has other panels
  show: (change) => set(run && change.large && !panels.get(change.large) ? { ...change, large: panels.at(1) } : change),
  moved: () => address(),
  light: (patches, symbol) => {
    set({ lit: patches });
    root.dataset.lit = symbol || "";
  },
  method: (name) => rail.set({ method: name }),
  knob: (knobs, how) => {
    rail.set({ method: "csp", knobs });
    sending.moved(how);
    if (how === "set" && root.hasAttribute("data-stale")) sending.wish();
  },
  settle: (knobs) => lecture.knob(knobs, "set"),
  restore: (asked) => {
    rail.set({ method: asked.method, knobs: asked.knobs });
    sending.moved("set");
    if (root.hasAttribute("data-stale")) sending.wish();
  },
  // the plan with the fewest tokens: the last of the paper's presets for this shape, or one made from the bounds
  fewest: () => {
    const found = Object.entries(about.presets).filter(([text, row]) => row.method === "csp" && /90\s*%/.test(text)).pop();
    const { Nc, Ls, Np } = lecture.defaults();
    return found ? { text: found[0], knobs: found[1].knobs } : { text: "a quarter of the tokens", knobs: { Nc: Math.max(1, Nc >> 2), Ls: Math.max(1, Ls >> 1), Np: Math.max(1, Np >> 2) } };
  },
};
const lesson = makeLessons($("lesson"), lecture);
const history = makeHistory((entry) => enter(entry), (entry) => sending.recall(entry));
if (about && typeof server !== "undefined" && server.figure)
  history.more = makeBuilder(history, { clusters: () => lecture.knobs().find((knob) => knob.name === "cluster")?.choices || [], make: (asked) => server_.figure(asked) });

// Parts of the page that follow `s`; each is cheap, all together are what "drawing a layer" means.
const drawTokens = () => {
  const began = performance.now();
  panels.draw(run, s, side);
  let spent = performance.now() - began;
  if (s.large && board.drawn === run) {
    drawn = board.draw(s);
    spent = performance.now() - began;
    drawScale();
  }
  const told = layerWords(run, s.layer);
  $("where").textContent = s.large === "mask" && s.view === "picture" ? `Mask: ${captionFor(run, panels.get("mask"), s, look)}` : told;
  $("told").textContent = s.scrubbed || s.large ? told : statusWords(run);
  slider.value = s.layer;
  slider.setAttribute("aria-valuetext", told);
  steps?.at(s.layer);
  root.dataset.layer = s.layer;
  root.dataset.navg = run.n_avg;
  root.dataset.active = s.layer ? stageHere().n : run.N;
  drawSide();
  root.dataset.drawMs = (performance.now() - began).toFixed(2);
  root.dataset.canvasMs = spent.toFixed(2);
};

const drawSide = () => {
  for (const card of cards.values()) card.update(s);
  words.update(s);
  const counted = s.large && ["state", "attention", "age"].includes(s.view);
  $("legend").replaceChildren(...(s.large ? legendItems(run, s, counted ? statesAt(run, s.layer) : [], look) : legendAll(run, s, look)));
  if (s.table) $("table").replaceChildren(tokenTable(run, s, look));
  if (s.large && s.view === "positions") $("ruler").lastElementChild.textContent = drawRuler($("ruler").firstElementChild, $("ruler").clientWidth, run, s.layer, look, ink);
};

const drawScale = () => {
  if (!drawn) return;
  const { top, low = 0, beyond = [] } = drawn, known = top === top && top !== undefined;
  $("scale").hidden = !known;
  if (!known) return;
  const share = s.view === "attention" || s.view === "cls", text = (v) => (share ? percent(v) : tenth(v));
  const [from, ramp, to, note] = $("scale").children, heat = look.heats?.[s.cmap] || look.heat;
  ramp.style.background = rampCss(heat);
  from.textContent = s.scale === "percentile" && share ? "lowest" : text(low);
  to.textContent = `${s.scale === "percentile" && share ? "highest, " : ""}${text(top)}`;
  note.textContent = [share ? `${s.scale} scale` : VIEWS[s.view].help, beyond.length ? `${beyond.length} sinks left out: ${beyond.map((p) => percent(drawn.values[p])).join(", ")}` : ""].filter(Boolean).join("; ");
};

const drawMarks = () => {
  const { keep, drop } = s.orders();
  s.forced = { keep: [...keep], drop: [...drop] };
  if (s.large && board.drawn === run) board.drawOver(s);
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

const drawScores = () => {
  const known = scoreWords(run, s.mask, s.threshold);
  let covered = 0;
  for (const pixel of s.mask) covered += pixel;
  scores.textContent = [`logit > ${s.threshold.toFixed(1)}: ${((100 * covered) / run.pixels).toFixed(1)} % of the picture`, ...known.map((one) => `IoU ${one}`)].join(" \u00b7 ");
  threshold.setAttribute("aria-valuetext", scores.textContent);
};

const say = (text) => ($("live").textContent = text);
const sayToken = () => {
  if (s.at < 0) return;
  const state = statesAt(run, s.layer)[s.at], view = ["state", "picture"].includes(s.view) ? "attention" : s.view, value = valuesAt(run, view, s.layer, s.head)[s.at];
  say(`${tokenName(run, s.at)}, ${state === ENTERED ? "enters" : look.states[STATES[state]].label}, ${valueWords(run, view, value)}`);
};

// What a panel shows when it becomes large.
const opening = (id) => {
  const panel = panels.get(id);
  if (!panel) return { large: null };
  const scrubbed = s.scrubbed && panel.stage >= 0 && panel.stage === run.stageAt[s.layer];
  return { large: id, layer: scrubbed ? s.layer : panel.layer, view: panel.view === "steps" ? "compute" : panel.view };
};

// Change the state, then draw what depends on what changed.
const set = (change) => {
  if (!run) return Object.assign(s, change);
  const was = { ...s };
  if ("large" in change && change.large !== s.large && change.large) change = { ...opening(change.large), ...change };
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
  if (moved("large")) {
    if (!s.large) Object.assign(s, { scrubbed: false, at: -1, rest: -1 });
    layout(true);
    // a phone has the board below the panels
    if (s.large && narrow() && root.dataset.mode === "board") $("large").scrollIntoView({ block: "start" });
  }
  if (moved("view")) $("ruler").hidden = s.view !== "positions";
  if (moved("table")) $("table").hidden = !s.table;
  if (moved("layer", "view", "scale", "sinks", "opacity", "table", "cmap", "head", "threshold", "dense", "truth", "ghost", "scrubbed")) drawTokens();
  if (moved("maskView") && !moved("layer", "view")) drawSide();
  if (moved("at", "pins", "force", "layer")) dealCards();
  if (moved("at", "pins", "maskView", "dense", "truth", "threshold", "force", "layer", "ghost", "large", "lit")) drawMarks();
  if (moved("force", "large")) drawForce();
  if (moved("threshold")) drawScores();
  if (moved("view", "scale", "sinks", "maskView", "dense", "truth", "table", "present", "cmap", "head", "large")) buttons();
  if (moved("layer", "view", "large", "threshold", "cmap", "scale")) {
    settled = true;
    say(layerWords(run, s.layer) + (s.view === "state" ? "" : `, ${VIEWS[s.view].label}`));
    address();
  }
  if (root.dataset.mode === "learn") lesson.onState(s);
};

const buttons = () => {
  for (const draw of [viewButtons, scaleButtons, sinkButtons, maskButtons, denseButton, truthButton, tableButton, headChoice, cmapChoice]) draw();
  const heat = s.view === "attention" || s.view === "cls";
  scaleBox.hidden = cmapBox.hidden = !heat;
  sinkBox.hidden = s.view !== "attention";
  headBox.hidden = s.view !== "attention" || !run.heads;
  for (const button of $("views").children) {
    const view = button.dataset.value, known = has(run, view);
    button.disabled = !known;
    button.title = known ? `${VIEWS[view].key}: ${VIEWS[view].help}` : "not known for this run";
  }
  denseNode.disabled = !run.masks.dense;
  truthNode.disabled = !run.masks.truth;
  root.dataset.view = s.view;
  root.dataset.large = s.large || "";
};

// Show an entry of the history: the same layer, view and token as far as it has them.
const enter = (entry) => {
  run = entry.run;
  history.shown = entry;
  board.load(run, entry.picture);
  panels.load(run, entry.picture);
  cards = new Map();
  if (s.at >= run.N) s.at = s.rest = -1;
  s.pins = s.pins.filter((p) => p < run.N);
  s.layer = Math.min(s.scrubbed || s.large || s.told ? s.layer : run.L, run.L);
  if (s.large && !panels.get(s.large)) s.large = null;
  if (!has(run, s.view)) s.view = "state";
  if (run.heads && s.head * run.N >= run.heads.length) s.head = -1;
  s.mask = maskAt(run, s.threshold);
  s.maskTurn++;
  s.ghost = ghostOf(run);
  slider.max = run.L;
  $("thumb").src = run.picture;
  let [low, high] = [-1, 1];
  for (const logit of run.logits) if (logit > -999) [low, high] = [Math.min(low, logit), Math.max(high, logit)];
  Object.assign(threshold, { min: Math.floor(low), max: Math.ceil(high) });
  words = makeWords(run);
  bend = elbow(run);
  $("words").replaceChildren(words.node);
  headChoice.options([["-1", "mean"], ...Array.from({ length: run.heads ? run.heads.length / run.N : 0 }, (_, h) => [String(h), String(h)])]);
  showPlan(run);
  layout(true);
  drawNotes(run);
  drawBill(run);
  drawAnswer(run);
  drawForce();
  drawScores();
  drawMatter(run);
  buttons();
  history.draw($("runs"));
  lesson.onRun(run, s);
  address();
};
