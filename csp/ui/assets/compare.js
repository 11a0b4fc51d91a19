// Every method on one picture: a grid of small boards drawn from packets, two of them under one slider, and all numbers as a table.
const root = element.querySelector(".csp-compare");
const $ = (name) => root.querySelector(".csp-" + name) || root.querySelector(".c-" + name);
const look = JSON.parse(props.look);
const OWN = "csp", DENSE = "full";
const minus = (text) => text.replace("-", "\u2212");
const against = (value, dense) => {
  if (!dense || value === dense) return "";
  const percent = Math.round(100 * (value / dense - 1));
  return percent === 0 ? "as dense" : (percent > 0 ? "+" : "") + minus(String(percent)) + " %";
};
const operations = (flops) => {
  const [unit, size] = flops >= 1e12 ? ["T", 1e12] : flops >= 1e9 ? ["G", 1e9] : ["M", 1e6];
  return (flops / size).toFixed(2) + " " + unit;
};
let state = null, text = "", sort = { key: "method", down: false }, pair = [null, null], chosen = false, split = 50, settling = 0;
const view = { mode: "grid", what: "mask", layer: null };
const tiles = new Map();
const runs = () => Object.values(state.rows).filter((row) => !row.reason);
const dense = () => state.rows[DENSE];
const quality = (row) => row.iou_truth ?? row.iou_dense;

// What a tile or a table cell says: [words, small print].
const NUMBERS = [
  { key: "method", title: "Method", of: (row) => state.order.indexOf(row.name) },
  { key: "iou_truth", title: "IoU true", of: (row) => row.iou_truth, show: (row) => [row.iou_truth.toFixed(2), ""], down: true, help: "with the true mask: accuracy", if: () => state.begin.truth },
  { key: "iou_dense", title: "IoU dense", of: (row) => row.iou_dense, show: (row) => [row.iou_dense.toFixed(2), ""], down: true, help: "with the dense mask: fidelity, what reduction changed" },
  { key: "area", title: "Mask", of: (row) => row.area, show: (row) => [row.area ? (100 * row.area).toFixed(1) + " %" : "empty", ""], down: true, help: "its share of the picture" },
  { key: "on_target", title: "A_SEG on target", of: (row) => row.on_target, show: (row) => [row.on_target === null ? "\u2013" : Math.round(100 * row.on_target) + " %", ""], down: true, help: "attention of [SEG] in the last layers that saw every patch: its share on the true mask, or on the dense one" },
  { key: "n_first", title: "First layer", of: (row) => row.n_first, show: (row) => [row.n_first, ""], help: "image tokens that the first layer sees" },
  { key: "n_last", title: "Last layer", of: (row) => row.n_last, show: (row) => [row.n_last, ""], help: "image tokens left in the last layer" },
  { key: "n_avg", title: "N_avg", of: (row) => row.n_avg, show: (row) => [row.n_avg.toFixed(1), against(row.n_avg, state.begin.N)], help: "image tokens, mean over layers (Eq. 9)" },
  { key: "flops", title: "FLOPs", of: (row) => row.flops, show: (row) => [operations(row.flops), against(row.flops, dense()?.flops)], help: "operations of the decoder, all tokens (2 \u00d7 Eq. 11)" },
  { key: "ms", title: "ms", of: (row) => state.ms[row.name]?.[0], show: (row) => spent(row), help: "measured: selection and decoder, median and quartiles of repeated runs in random order" },
];
const spent = (row) => {
  const ms = state.ms[row.name];
  if (!ms) return state.begin.rounds && !state.stopped ? ["\u2026", ""] : ["\u2013", ""];
  const [median, low, high, n] = ms;
  return [median.toFixed(1), n > 1 ? low.toFixed(1) + "\u2013" + high.toFixed(1) : ""];
};
const columns = () => NUMBERS.filter((one) => !one.if || one.if());

// A row's packet as a run of the viewer, with the picture and the masks that all rows share.
const unpacked = async (row) => {
  const ground = await state.ground;
  const run = await runOf({ ...row.packet, picture: ground.run.picture });
  run.masks = { ...run.masks, dense: ground.run.masks.mask, truth: ground.run.masks.truth };
  return { run, picture: ground.picture };
};
const grounded = async (packet) => {
  const image = new Image();
  image.src = packet.picture;
  const [run] = await Promise.all([runOf(packet), image.decode()]);
  return { run, picture: image };
};
const BARE = { scale: "sqrt", sinks: 0, opacity: 0.85, threshold: 0, maskTurn: 0, at: -1, pins: [], forced: { keep: [], drop: [] } };
const canvases = () => ["c-base", "c-over"].map((name) => make("canvas", { class: name, "aria-hidden": "true" }));
const layerOf = (run) => Math.min(view.layer ?? run.L, run.L);
const paint = (board, { run, picture }, width, height) => {
  if (board.run !== run) board.load(run, picture);
  board.fit(width, height);
  const mask = view.what === "mask", layer = layerOf(run);
  const s = { ...BARE, mask: run.masks.mask, layer: mask ? 0 : layer, view: mask || view.what === "tokens" ? "state" : "attention" };
  board.draw(s);
  board.drawOver({ ...s, maskView: mask ? "fill" : "off", dense: mask, truth: true });
};
const said = (row, run) => {
  const layer = layerOf(run);
  if (view.what === "mask") return `${row.label}: ${run.alt}`;
  const words = layerWords(run, layer);
  return view.what === "tokens" ? `${row.label}. ${words}` : `${row.label}. Attention of [SEG]. ${words}`;
};

// Tiles: made once a comparison, drawn when their run, the view or the room changes.
const choices = (name) =>
  ["A", "B"].map((side, i) => {
    const button = make("button", { type: "button", "data-side": side, "aria-pressed": "false", "aria-label": `${state.begin.methods[name]} as ${side}`, title: `Compare as ${side}`, text: side });
    button.addEventListener("click", () => {
      pair[i] = name;
      chosen = true;
      mark();
      if (pair[0] && pair[1] && view.mode !== "table") show({ mode: "ab" });
    });
    return button;
  });
const opener = (name) => {
  const open = make("button", { type: "button", class: "csp-open", text: "Open", "aria-label": `Open ${state.begin.methods[name]} on the board` });
  open.addEventListener("click", () => document.dispatchEvent(new CustomEvent("csp-open", { detail: { method: name, knobs: state.rows[name].knobs, seed: state.begin.seed } })));
  return open;
};
const tileOf = (name) => {
  const [base, over] = canvases();
  const stage = make("button", { type: "button", class: "c-stage" }, base, over);
  stage.addEventListener("click", () => {
    pair = [name, pair[0] && pair[0] !== name ? pair[0] : pair[1] !== name ? pair[1] : DENSE];
    chosen = true;
    mark();
    show({ mode: "ab" });
  });
  const body = make("figcaption");
  const node = make("figure", { role: "listitem", class: "c-tile", "data-row": name }, stage, body);
  return { node, stage, body, board: makeBoard(base, over, look), drawn: null };
};
// Parts that keep together when a line breaks.
const dotted = (parts) => parts.map((text, i) => (i < parts.length - 1 ? `${text} \u00b7` : text));
const caption = (tile, name) => {
  const row = state.rows[name], label = make("b", { text: state.begin.methods[name] });
  if (!row || row.reason) {
    const why = row ? row.reason : state.stopped ? "not run" : "waits";
    tile.node.classList.toggle("c-refused", Boolean(row));
    return tile.body.replaceChildren(label, make("small", { class: "c-why", text: why, title: why }));
  }
  tile.node.title = [row.setting, ...row.notes].filter(Boolean).join("\n");
  const best = runs().filter((one) => one.name !== DENSE).reduce((a, b) => (quality(b) > quality(a) ? b : a), { iou_dense: -1 });
  const scores = [row.iou_truth === null ? null : `true ${row.iou_truth.toFixed(2)}`, `dense ${row.iou_dense.toFixed(2)}`].filter(Boolean);
  const ms = spent(row)[0];
  const iou = make("span", { class: "c-iou" }, ...dotted(scores).map((text, i) => make("span", {}, i ? "" : "IoU ", make("strong", { text }))));
  const bill = make("span", { class: "c-bill" }, ...dotted([`N_avg ${tenth(+row.n_avg.toFixed(1))}`, operations(row.flops), `${ms} ms`]).map((text) => make("span", { text })));
  const buttons = make("span", { class: "c-acts", role: "group", "aria-label": row.label }, ...choices(name), opener(name));
  tile.node.classList.toggle("c-best", row === best && quality(row) > 0);
  tile.body.replaceChildren(make("span", { class: "c-name" }, label, buttons), iou, bill);
};
const grid = () => {
  const box = $("grid");
  for (const name of state.order) if (!tiles.has(name)) tiles.set(name, tileOf(name));
  box.replaceChildren(...state.order.map((name) => tiles.get(name).node));
  for (const name of state.order) caption(tiles.get(name), name);
};
// As large as all of them fit on the screen, words below a picture or beside it; a phone scrolls.
const room = (under) => Math.max(240, window.innerHeight - under.getBoundingClientRect().top - window.scrollY - 10);
const BELOW = 62, BESIDE = 138, GAP = 10;
const layouts = (width, height, n, ratio) => {
  const out = [];
  for (let cols = 2; cols <= n; cols++) {
    const wide = (width - GAP * (cols - 1)) / cols, rows = Math.ceil(n / cols), tall = (height - GAP * (rows - 1)) / rows;
    if (wide >= 168) out.push({ cols, beside: false, at: Math.min(wide, (tall - BELOW) / ratio) });
    out.push({ cols, beside: true, at: Math.min(wide - BESIDE, tall / ratio) });
  }
  return out;
};
const fit = () => {
  const box = $("grid"), width = box.clientWidth;
  if (!state || box.hidden || !width) return;
  const { ratio } = state, small = { cols: 2, beside: false, at: (width - GAP) / 2 };
  const best = width > 620 ? layouts(width, room(box), state.order.length, ratio).reduce((a, b) => (b.at > a.at ? b : a)) : small;
  const at = Math.max(90, Math.floor(best.at));
  box.style.setProperty("--cols", best.cols);
  box.style.setProperty("--tile", `${at}px`);
  box.classList.toggle("c-beside", best.beside);
  for (const name of state.order) drawTile(name, at, Math.floor(at * ratio));
};
const drawTile = (name, width, height) => {
  const tile = tiles.get(name), data = state.runs.get(name);
  tile.stage.style.height = `${height}px`;
  if (!data) return;
  paint(tile.board, data, width, height);
  tile.stage.setAttribute("aria-label", `${said(state.rows[name], data.run)}. Compare side by side`);
};
const mark = () => {
  for (const button of root.querySelectorAll("[data-side]")) {
    const name = button.closest("[data-row]").dataset.row;
    button.setAttribute("aria-pressed", String(pair[button.dataset.side === "A" ? 0 : 1] === name));
  }
};
// Until a visitor picks: the best rival and the worst, by the true mask where it is known.
const propose = () => {
  if (chosen) return;
  const rivals = runs().filter((row) => row.name !== DENSE && row.name !== OWN).sort((a, b) => quality(b) - quality(a) || state.order.indexOf(a.name) - state.order.indexOf(b.name));
  if (rivals.length < 2) return;
  pair = [rivals[0].name, rivals[rivals.length - 1].name];
  mark();
};

// Two runs under one slider.
let ab = null;
const sides = () => pair.map((name) => state.rows[name]);
const makeAb = () => {
  const box = $("ab"), [b0, b1] = canvases(), [a0, a1] = canvases();
  const over = make("div", { class: "csp-over" }, a0, a1);
  const stage = make("div", { class: "csp-stage", role: "img" }, b0, b1, over, make("span", { class: "csp-edge", "aria-hidden": "true" }));
  const range = make("input", { type: "range", min: "0", max: "100", step: "1" });
  const names = make("div", { class: "csp-ab-names" });
  range.addEventListener("input", () => move(+range.value));
  const drag = (event) => {
    const area = stage.getBoundingClientRect();
    move(Math.round(Math.max(0, Math.min(100, (100 * (event.clientX - area.left)) / area.width))));
  };
  stage.addEventListener("pointerdown", (event) => {
    event.preventDefault();
    stage.setPointerCapture(event.pointerId);
    drag(event);
  });
  stage.addEventListener("pointermove", (event) => stage.hasPointerCapture(event.pointerId) && drag(event));
  box.replaceChildren(make("div", { class: "csp-ab-stage" }, stage, range), names);
  ab = { base: b0, stage, range, names, boards: [makeBoard(a0, a1, look), makeBoard(b0, b1, look)] };
};
const move = (value) => {
  split = value;
  const [a, b] = sides();
  ab.range.value = value;
  ab.stage.style.setProperty("--at", value + "%");
  ab.range.setAttribute("aria-label", `Where ${a.label} ends and ${b.label} begins`);
  ab.range.setAttribute("aria-valuetext", `${value} % ${a.label}, ${100 - value} % ${b.label}`);
};
const legend = () => ({
  mask: "Solid: the method\u2019s mask. Dashed: the dense mask." + (state.begin.truth ? " Dotted: the true mask." : ""),
  tokens: "Ringed: tokens that take part in the layer. Dotted veil: they wait and return. Dark: gone.",
  attention: "What [SEG] attends to in the layer (Eq. 8), on a scale of its own for each method.",
});
const drawAb = () => {
  if (view.mode !== "ab" || !state) return;
  const [a, b] = sides(), data = pair.map((name) => state.runs.get(name));
  if (!a || !b || !data[0] || !data[1]) return;
  if (!ab) makeAb();
  const wide = Math.min($("ab").clientWidth > 700 ? $("ab").clientWidth * 0.62 : $("ab").clientWidth, (room($("ab")) - 34) / state.ratio);
  ab.boards.forEach((board, i) => paint(board, data[i], wide, wide * state.ratio));
  ab.stage.style.width = ab.base.style.width;
  const side = (letter, row, run) =>
    make(
      "section",
      { "data-ab": letter },
      make("h3", { text: `${letter}: ${row.label}` }),
      make("small", { text: row.setting || "nothing to turn" }),
      make("p", { text: [`IoU dense ${row.iou_dense.toFixed(2)}`, row.iou_truth === null ? null : `true ${row.iou_truth.toFixed(2)}`, row.area ? `mask ${(100 * row.area).toFixed(1)} %` : "empty mask"].filter(Boolean).join(" \u00b7 ") }),
      make("p", { text: `N_avg ${row.n_avg.toFixed(1)} \u00b7 ${operations(row.flops)}FLOP \u00b7 ${spent(row).filter(Boolean).join(" ms, ")}${spent(row)[1] ? "" : " ms"}` }),
      ...(view.what === "mask" ? [] : [make("small", { text: layerWords(run, layerOf(run)) })]),
      ...row.notes.map((note) => make("small", { class: "csp-note", text: note })),
    );
  const both = iouOf(data[0].run.masks.mask, data[1].run.masks.mask), empty = !a.area && !b.area;
  const rivals = chosen ? "" : "The best rival and the worst one here; press A or B under a method, or a picture, for others. ";
  ab.names.replaceChildren(
    side("A", a, data[0].run),
    side("B", b, data[1].run),
    make("p", { text: empty ? "Both masks are empty." : `IoU of A and B: ${both.toFixed(2)}` }),
    make("p", { class: "csp-hint", text: rivals + legend()[view.what] }),
  );
  ab.stage.setAttribute("aria-label", `${said(a, data[0].run)}; ${said(b, data[1].run)}`);
  move(split);
};

// The table: numbers alone, sorted by any of them.
const sorted = () => {
  const column = NUMBERS.find((one) => one.key === sort.key);
  const place = (name) => (column.key === "method" ? state.order.indexOf(name) : state.rows[name] && !state.rows[name].reason ? column.of(state.rows[name]) : null);
  return [...state.order].sort((a, b) => {
    const [x, y] = [place(a), place(b)], none = (v) => v === null || v === undefined;
    if (none(x) || none(y)) return none(x) - none(y);
    return (sort.down ? y - x : x - y) || state.order.indexOf(a) - state.order.indexOf(b);
  });
};
const table = () => {
  if (view.mode !== "table" || !state) return;
  const known = columns(), focus = $("scroll").contains(document.activeElement) ? document.activeElement.dataset.column : null;
  const heads = known.map((column) => {
    const button = make("button", { type: "button", title: column.help, text: column.title, "data-column": column.key });
    button.addEventListener("click", () => {
      sort = { key: column.key, down: sort.key === column.key ? !sort.down : Boolean(column.down) };
      table();
    });
    const order = sort.key === column.key ? (sort.down ? "descending" : "ascending") : null;
    return make("th", { scope: "col", "data-column": column.key, "aria-sort": order }, button);
  });
  const line = (name) => {
    const row = state.rows[name], th = make("th", { scope: "row" }, make("b", { text: state.begin.methods[name] }));
    if (!row || row.reason) return make("tr", { "data-row": name, class: row ? "csp-refused" : "csp-waiting" }, th, make("td", { colspan: known.length - 1, text: row ? row.reason : state.stopped ? "not run" : "waits" }));
    th.append(make("small", { text: row.setting || "nothing to turn" }), ...row.notes.map((note) => make("small", { class: "csp-note", text: note })), make("span", { class: "csp-picks" }, ...choices(name), opener(name)));
    return make("tr", { "data-row": name }, th, ...known.slice(1).map((column) => {
      const [value, small] = column.of(row) === null ? ["\u2013", ""] : column.show(row);
      return make("td", { "data-column": column.key, "data-label": column.title }, make("b", { text: String(value) }), make("small", { text: small }));
    }));
  };
  $("scroll").replaceChildren(make("table", { class: "csp-table" }, make("thead", {}, make("tr", {}, ...heads)), make("tbody", {}, ...sorted().map(line))));
  if (focus) $("scroll").querySelector(`button[data-column="${focus}"]`)?.focus();
  mark();
};

// Which of the three shows, and what it shows of a run.
const radios = (label, name, options) => {
  const box = make("div", { role: "radiogroup", "aria-label": label, class: "c-radio" });
  for (const [value, words] of options) {
    const button = make("button", { type: "button", role: "radio", "data-value": value, text: words });
    button.addEventListener("click", () => show({ [name]: value }));
    box.append(button);
  }
  box.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 }[event.key];
    if (!by) return;
    event.preventDefault();
    const all = [...box.children], next = all[(all.indexOf(document.activeElement) + by + all.length) % all.length];
    next.focus();
    next.click();
  });
  return [box, () => [...box.children].forEach((button) => {
    const on = view[name] === button.dataset.value;
    button.setAttribute("aria-checked", on);
    button.tabIndex = on ? 0 : -1;
  })];
};
const [modeBox, markMode] = radios("Layout", "mode", [["grid", "Grid"], ["ab", "Side by side"], ["table", "Table"]]);
const [whatBox, markWhat] = radios("Picture", "what", [["mask", "Masks"], ["tokens", "Tokens"], ["attention", "A_SEG"]]);
const layer = make("input", { type: "range", min: "0", max: "1", step: "1", "aria-label": "Layer" }), where = make("output");
const layers = make("label", { class: "c-layer" }, layer, where);
layer.addEventListener("input", () => show({ layer: +layer.value }));
$("tools").append(modeBox, whatBox, layers);
const show = (change) => {
  Object.assign(view, change);
  root.dataset.mode = view.mode;
  root.dataset.what = view.what;
  $("grid").hidden = view.mode !== "grid" || !state;
  $("ab").hidden = view.mode !== "ab" || !state;
  $("scroll").hidden = view.mode !== "table" || !state;
  whatBox.hidden = view.mode === "table";
  layers.hidden = view.mode === "table" || view.what === "mask";
  markMode();
  markWhat();
  if (!state) return;
  layer.value = layerOf({ L: +layer.max });
  where.textContent = `layer ${layer.value} of ${layer.max}`;
  layer.setAttribute("aria-valuetext", where.textContent);
  if (view.mode === "grid") fit();
  drawAb();
  table();
};

const status = () => {
  const { begin, end, stopped, rounds } = state;
  const total = state.order.length, done = Object.keys(state.rows).length;
  const bar = $("progress");
  bar.hidden = Boolean(end || stopped);
  bar.max = total * (1 + begin.rounds);
  bar.value = done + rounds * total;
  const refused = Object.values(state.rows).filter((row) => row.reason).length;
  const about = `\u201c${begin.query}\u201d: ${done - refused} of ${total} methods at N_avg ${begin.target}` + (refused ? `, ${refused} cannot reach it` : "");
  const timed = rounds ? `; ms: median of ${rounds} run${rounds > 1 ? "s" : ""} in random order` : "";
  if (stopped) state.words = `Stopped. ${about}${timed}. What was done stays.`;
  else if (end) state.words = `${about}${timed}; ${end.toFixed(1)} s in all.`;
  else if (done < total) state.words = `Running: ${done} of ${total} methods`;
  else state.words = `All ${total} methods; timing, round ${rounds + 1} of ${begin.rounds}`;
  root.dataset.state = stopped ? "stopped" : end ? "done" : "running";
  root.dataset.rows = done;
  root.dataset.rounds = rounds;
  tell();
};
const tell = () => {
  if (!state) return;
  $("told").replaceChildren(make("span", { text: state.words || "" }), ...(state.moved ? [make("strong", { class: "c-stale", text: ` ${state.moved}: press Compare` })] : []));
  root.toggleAttribute("data-stale", Boolean(state.moved));
  // Knobs of these rows say nothing about another picture or query.
  for (const open of root.querySelectorAll(".csp-open")) open.disabled = state.foreign;
};
// The board's own method is one row among all: only the knobs matter that the rows begin from.
const ASIDE = ["method", "picked", "sweep", "pictures", "scenes"];
const standing = makeStanding(root, () => Object.keys(standing.began || {}).filter((name) => !ASIDE.includes(name)), (words, kinds) => {
  if (!state) return;
  state.moved = words;
  state.foreign = kinds.includes("picture") || kinds.includes("query");
  tell();
});

const take = (data) => {
  if (data.error) {
    $("alert").textContent = data.error;
    if (!state) $("told").textContent = "Not run";
    $("progress").hidden = true;
    root.dataset.state = "error";
  } else if (data.begin) {
    const { ground } = data.begin;
    state = { begin: data.begin, order: Object.keys(data.begin.methods), rows: {}, runs: new Map(), ms: {}, rounds: 0, end: null, stopped: false, ground: grounded(ground), ratio: ground.size[0] / ground.size[1] };
    standing.begin();
    [pair, chosen] = [[null, null], false];
    tiles.clear();
    root.removeAttribute("data-drawn");
    layer.max = ground.L;
    $("alert").textContent = "";
    $("tools").hidden = false;
    $("notes").replaceChildren(...data.begin.notes.map((note) => make("p", { text: note })));
    grid();
    show({});
  } else if (data.row) {
    state.rows[data.row.name] = data.row;
    if (!data.row.reason) arrived(state, data.row);
  } else if (data.ms) {
    state.ms = data.ms;
    state.rounds = data.round;
  } else if (data.end !== undefined) state.end = data.end || 0.01;
};
const arrived = async (mine, row) => {
  try {
    const data = await unpacked(row);
    if (mine !== state) return;
    state.runs.set(row.name, data);
    row.packet = null;
    if (view.mode === "grid") settle();
    if (pair.includes(row.name)) drawAb();
    root.dataset.drawn = state.runs.size;
  } catch (error) {
    $("alert").textContent = `${row.label} could not be drawn: ${error.message}`;
  }
};
const settle = () => {
  cancelAnimationFrame(settling);
  settling = requestAnimationFrame(fit);
};
const draw = () => {
  const now = props.value || "";
  const told = linesSince(text, now);
  text = now;
  for (const data of told) if (data.error || data.begin || state) take(data);
  if (!state || !told.length || told.some((data) => data.error)) return;
  for (const name of state.order) caption(tiles.get(name), name);
  propose();
  mark();
  table();
  drawAb();
  status();
};
root.addEventListener("csp-stop", () => {
  if (root.dataset.state !== "running") return;
  state.stopped = true;
  for (const name of state.order) caption(tiles.get(name), name);
  table();
  status();
});
new ResizeObserver(() => {
  if (!state) return;
  settle();
  drawAb();
}).observe(root);
window.addEventListener("resize", () => element.isConnected && state && (settle(), drawAb()));
$("told").textContent = "Every method on the board\u2019s picture and query, at one budget of image tokens.";
show({});
watch("value", draw);
draw();
// Opened for the first time with nothing in it: the standing query fills it.
if (props.fill) whenSeen(root, () => {
  if (state || text) return;
  standing.go();
  $("told").textContent = "Comparing all methods on the board\u2019s picture and query \u2026";
  trigger("fill", {});
});
