const root = element.querySelector(".csp-compare");
const part = (name) => root.querySelector(".csp-" + name);
const PANELS = { first: "First layer", last: "Last layer", attention: "A_SEG", mask: "Mask" };
const legend = (truth) => ({
  first: "Ringed: patches with a token in the first layer. Dotted veil: they wait and return. Dark: gone.",
  last: "Ringed: patches with a token in the last layer. Dark: pruned.",
  attention: `Attention of [SEG] in the last layers that saw every patch; per cent: its share on the ${truth ? "true" : "dense"} mask.`,
  mask: "Solid: the method\u2019s mask. Dashed: the dense mask." + (truth ? " Dotted: the true mask." : ""),
});
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
const score = (name) => ({ key: name, of: (row) => row[name], show: (row) => [row[name].toFixed(2), ""], down: true });
const columns = (truth) => [
  { key: "method", title: "Method", of: (row) => state.order.indexOf(row.name) },
  { key: "first", title: "First layer", panel: "first", of: (row) => row.n_first, help: "image tokens that the first layer sees" },
  { key: "last", title: "Last layer", panel: "last", of: (row) => row.n_last, help: "image tokens that are left in the last layer" },
  { key: "attention", title: "A_SEG", panel: "attention", of: (row) => row.on_target, down: true, help: "attention of [SEG] in the last layers that saw every patch, and its share on the " + (truth ? "true" : "dense") + " mask" },
  { key: "mask", title: "Mask", panel: "mask", of: (row) => row.area, down: true, help: "solid: this method, dashed: dense" + (truth ? ", dotted: true" : "") },
  { ...score("iou_dense"), title: "IoU dense", help: "with the dense mask: what reduction changed" },
  ...(truth ? [{ ...score("iou_truth"), title: "IoU truth", help: "with the true mask" }] : []),
  { key: "n_avg", title: "N_avg", of: (row) => row.n_avg, show: (row) => [row.n_avg.toFixed(1), against(row.n_avg, state.begin.N)], help: "image tokens, mean over layers (Eq. 9)" },
  { key: "flops", title: "FLOPs", of: (row) => row.flops, show: (row) => [operations(row.flops), against(row.flops, dense()?.flops)], help: "operations of the decoder, all tokens (2 \u00d7 Eq. 11)" },
  { key: "ms", title: "ms", of: (row) => state.ms[row.name]?.[0], show: spent, help: "measured: selection and decoder, median and quartiles" },
];
const dense = () => Object.values(state.rows).find((row) => row.n_avg === state.begin.N && row.n_first === row.n_last);
const spent = (row) => {
  const ms = state.ms[row.name];
  if (!ms) return state.begin.rounds ? ["\u2026", ""] : ["\u2013", ""];
  const [median, low, high, n] = ms;
  return [median.toFixed(1), n > 1 ? low.toFixed(1) + "\u2013" + high.toFixed(1) : ""];
};
let state = null, text = "", sort = { key: "method", down: false }, pair = [null, null], chosen = false, shown = "mask", split = 50;

const cell = (row, column) => {
  const td = make("td", { "data-column": column.key, "data-label": column.title, class: column.panel && "csp-drawn" });
  if (column.panel) {
    const panel = row.panels[column.panel];
    td.append(figure({ ...panel, id: column.panel, title: row.label + ": " + column.title }));
  } else {
    const [value, small] = column.show(row);
    td.append(make("b", { text: value }), make("small", { text: small }));
  }
  return td;
};
const picks = (row) =>
  ["A", "B"].map((side, i) => {
    const button = make("button", { type: "button", "data-side": side, "aria-pressed": String(pair[i] === row.name), "aria-label": row.label + " as " + side, text: side });
    button.addEventListener("click", () => {
      pair[i] = row.name;
      chosen = true;
      slider();
      mark();
    });
    return button;
  });
const head = (row) => {
  const th = make("th", { scope: "row" }, make("b", { text: row.label }));
  if (row.reason) return th;
  const open = make("button", { type: "button", class: "csp-open", text: "Open in Explore", "aria-label": "Open " + row.label + " in Explore" });
  open.addEventListener("click", () => trigger("open_point", { method: row.name, knobs: row.knobs }));
  th.append(
    make("small", { text: row.setting || "nothing to turn" }),
    ...row.notes.map((note) => make("small", { class: "csp-note", text: note })),
    make("span", { class: "csp-picks", role: "group", "aria-label": "Side by side" }, ...picks(row)),
    open,
  );
  return th;
};
const line = (name, known) => {
  const row = state.rows[name];
  if (!row) return make("tr", { "data-row": name, class: "csp-waiting" }, make("th", { scope: "row" }, make("b", { text: state.begin.methods[name] })), make("td", { colspan: known.length - 1, text: state.stopped ? "not run" : "waits" }));
  if (row.reason) return make("tr", { "data-row": name, class: "csp-refused" }, head(row), make("td", { colspan: known.length - 1, text: row.reason }));
  return make("tr", { "data-row": name }, head(row), ...known.slice(1).map((column) => cell(row, column)));
};
const sorted = (known) => {
  const column = known.find((c) => c.key === sort.key) || known[0];
  const place = (name) => {
    if (column.key === "method") return state.order.indexOf(name);
    const row = state.rows[name];
    return row && !row.reason ? column.of(row) : null;
  };
  return [...state.order].sort((a, b) => {
    const [x, y] = [place(a), place(b)];
    if (x === null || x === undefined) return y === null || y === undefined ? 0 : 1;
    if (y === null || y === undefined) return -1;
    return (sort.down ? y - x : x - y) || state.order.indexOf(a) - state.order.indexOf(b);
  });
};
const table = () => {
  const known = columns(state.begin.truth);
  const choose = (column) => {
    sort = { key: column.key, down: sort.key === column.key ? !sort.down : Boolean(column.down) };
    order();
  };
  const heads = known.map((column) => {
    const button = make("button", { type: "button", title: column.help, text: column.title });
    button.addEventListener("click", () => choose(column));
    return make("th", { scope: "col", "data-column": column.key, class: column.panel && "csp-drawn" }, button);
  });
  const select = part("sortby").querySelector("select");
  select.replaceChildren(...known.map((column) => make("option", { value: column.key, text: column.title })));
  select.onchange = () => choose(known.find((column) => column.key === select.value));
  const body = make("tbody", {}, ...state.order.map((name) => line(name, known)));
  part("scroll").replaceChildren(make("table", { class: "csp-table" }, make("thead", {}, make("tr", {}, ...heads)), body));
};
// Rows are moved, not drawn again: pictures stay decoded and focus stays where it was.
const order = () => {
  const body = part("scroll").querySelector("tbody");
  const known = columns(state.begin.truth);
  const focus = document.activeElement;
  sorted(known).forEach((name) => body.append(body.querySelector(`[data-row="${name}"]`)));
  if (root.contains(focus)) focus.focus({ preventScroll: true });
  for (const th of part("scroll").querySelectorAll("th[data-column]")) {
    if (th.dataset.column === sort.key) th.setAttribute("aria-sort", sort.down ? "descending" : "ascending");
    else th.removeAttribute("aria-sort");
  }
  part("sortby").querySelector("select").value = sort.key;
};
const replace = (name) => {
  const known = columns(state.begin.truth);
  part("scroll").querySelector(`tr[data-row="${name}"]`).replaceWith(line(name, known));
};
const times = () => {
  const known = columns(state.begin.truth);
  for (const column of known.filter((c) => c.key === "ms" || c.key === "flops"))
    for (const row of Object.values(state.rows))
      if (!row.reason) part("scroll").querySelector(`tr[data-row="${row.name}"] td[data-column="${column.key}"]`).replaceWith(cell(row, column));
};
const mark = () => {
  for (const button of part("scroll").querySelectorAll("[data-side]")) {
    const name = button.closest("tr").dataset.row;
    button.setAttribute("aria-pressed", String(pair[button.dataset.side === "A" ? 0 : 1] === name));
  }
};

const slider = () => {
  const box = part("ab");
  const [a, b] = pair.map((name) => state.rows[name]);
  box.hidden = !(a && b);
  if (box.hidden) return;
  const what = make("select", { "aria-label": "Picture to compare" }, ...Object.entries(PANELS).map(([key, title]) => make("option", { value: key, text: title })));
  what.value = shown;
  what.addEventListener("change", () => {
    shown = what.value;
    slider();
    part("ab").querySelector("select").focus();
  });
  const over = make("img", { src: a.panels[shown].src, alt: a.panels[shown].alt, draggable: "false", class: "csp-over" });
  const stage = make("div", { class: "csp-stage" }, make("img", { src: b.panels[shown].src, alt: b.panels[shown].alt, draggable: "false" }), over, make("span", { class: "csp-edge", "aria-hidden": "true" }));
  const range = make("input", { type: "range", min: "0", max: "100", step: "1", "aria-label": `Where ${a.label} ends and ${b.label} begins` });
  const move = (value) => {
    split = value;
    range.value = value;
    stage.style.setProperty("--at", value + "%");
    range.setAttribute("aria-valuetext", `${value} % ${a.label}, ${100 - value} % ${b.label}`);
  };
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
  const side = (letter, row) =>
    make(
      "p",
      {},
      make("b", { text: `${letter}: ${row.label}` }),
      make("small", { text: row.setting }),
      make("small", { text: `IoU with dense ${row.iou_dense.toFixed(2)}` + (row.iou_truth === null ? "" : `, with truth ${row.iou_truth.toFixed(2)}`) }),
      make("small", { text: `${PANELS[shown]}: ${row.panels[shown].caption}` }),
    );
  const hint = (chosen ? "" : "Nearest to the dense mask, and farthest from it. Press A or B in a row to choose others. ") + legend(state.begin.truth)[shown];
  box.replaceChildren(
    make("div", { class: "csp-ab-stage" }, stage, range),
    make(
      "div",
      {},
      make("div", { class: "csp-ab-head" }, make("h3", { text: "Side by side" }), what),
      make("div", { class: "csp-ab-names" }, side("A", a), side("B", b), make("p", { class: "csp-hint", text: hint })),
    ),
  );
  move(split);
};
// Until a visitor picks: the method nearest to the dense mask against the one farthest from it.
const propose = () => {
  if (chosen) return;
  const reduced = Object.values(state.rows).filter((row) => !row.reason && row.n_avg < state.begin.N);
  if (reduced.length < 2) return;
  const near = reduced.reduce((best, row) => (row.iou_dense > best.iou_dense ? row : best));
  const far = reduced.filter((row) => row !== near).reduce((worst, row) => (row.iou_dense < worst.iou_dense ? row : worst));
  pair = [near.name, far.name];
  slider();
  mark();
};

const status = () => {
  const { begin, end, stopped, rounds } = state;
  const total = state.order.length, done = Object.keys(state.rows).length;
  const bar = part("progress");
  bar.hidden = !(begin && !end && !stopped);
  bar.max = total * (1 + begin.rounds);
  bar.value = done + rounds * total;
  const refused = Object.values(state.rows).filter((row) => row.reason).length;
  const rows = `${done - refused} of ${total} methods at N_avg ${begin.target}` + (refused ? `, ${refused} cannot reach it` : "");
  const timed = rounds ? `; milliseconds: median of ${rounds} run${rounds > 1 ? "s" : ""} in random order, the first dropped` : "";
  if (stopped) part("told").textContent = `Stopped: ${rows}${timed}. What was done stays.`;
  else if (end) part("told").textContent = `${rows}${timed}; ${end.toFixed(1)} s in all.`;
  else if (done < total) part("told").textContent = `Running: ${done} of ${total} rows`;
  else part("told").textContent = `All ${total} rows; timing, round ${rounds + 1} of ${begin.rounds}`;
  root.dataset.state = stopped ? "stopped" : end ? "done" : "running";
  root.dataset.rows = done;
  root.dataset.rounds = rounds;
};

const take = (data) => {
  if (data.error) {
    part("alert").textContent = data.error;
    part("told").textContent = "Not run";
    part("progress").hidden = true;
    root.dataset.state = "error";
  } else if (data.begin) {
    state = { begin: data.begin, order: Object.keys(data.begin.methods), rows: {}, ms: {}, rounds: 0, end: null, stopped: false };
    [pair, chosen] = [[null, null], false];
    part("alert").textContent = "";
    part("ab").hidden = true;
    part("sortby").hidden = false;
    part("notes").replaceChildren(...data.begin.notes.map((note) => make("p", { text: note })));
    table();
    order();
  } else if (data.row) {
    state.rows[data.row.name] = data.row;
    replace(data.row.name);
  } else if (data.ms) {
    state.ms = data.ms;
    state.rounds = data.round;
  } else if (data.end !== undefined) state.end = data.end || 0.01;
};
const draw = () => {
  const now = props.value || "";
  const told = linesSince(text, now);
  text = now;
  for (const data of told) if (data.error || data.begin || state) take(data);
  if (!state || !told.length || told.some((data) => data.error)) return;
  if (told.some((data) => data.row || data.ms)) {
    times();
    order();
    if (told.some((data) => data.row)) propose();
  }
  status();
};
root.addEventListener("csp-stop", () => {
  if (root.dataset.state !== "running") return;
  state.stopped = true;
  for (const cell of part("scroll").querySelectorAll(".csp-waiting td")) cell.textContent = "not run";
  status();
});
part("told").textContent = "Every method on the picture and query above, at one budget of image tokens.";
watch("value", draw);
draw();
