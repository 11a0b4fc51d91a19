const root = element.querySelector(".csp-tradeoff");
const $ = (name) => root.querySelector(".csp-" + name);
const GREY = "#808080";
let HEIGHT = 440;
const REACH = 11; // pixels about a mark within which the pointer means it
const MARGIN = { left: 58, right: 16, top: 14, bottom: 46 };
let state = null, text = "", axes = { x: "n_avg", y: "change" }, hidden = new Set(), at = null, later = null, seeds = null;

const minus = (value) => String(value).replace("-", "\u2212");
const shown = (value, axis) => {
  if (value === null || value === undefined) return "\u2013";
  if (axis === "truth" || axis === "dense") return value.toFixed(2);
  if (axis === "operations" || axis === "time") return value.toFixed(0) + " %";
  return minus(axis === "knob" ? value : value.toFixed(1));
};
// Curves as they are now: the paper's first, so that ours lie on top.
const curves = () => [
  ...state.begin.paper.map((curve) => ({ ...curve, paper: true })),
  ...state.begin.curves.map((curve, i) => ({ ...curve, joined: true, points: [...state.points.values()].filter((point) => point.curve === i) })),
];
// Without a known truth there is only agreement with dense to draw.
const height = () => ([...state.points.values()].some((point) => point.at[axes.y] !== null) ? axes.y : "dense");
const placed = (curve) => {
  const y = height();
  return curve.points.filter((point) => point.at[axes.x] !== null && point.at[y] !== null).sort((a, b) => a.at[axes.x] - b.at[axes.x]);
};
const ticks = (low, high) => {
  const span = high - low || 1;
  const rough = span / 6, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= rough);
  const out = [];
  for (let value = Math.ceil(low / step) * step; value <= high + step * 1e-6; value += step) out.push(+value.toFixed(6));
  return out;
};
const range = (values, pad) => {
  const low = Math.min(...values), high = Math.max(...values);
  const room = (high - low || Math.abs(high) || 1) * pad;
  return [low - room, high + room];
};
const words = (point) => {
  const parts = [`N_avg ${shown(point.at.n_avg, "n_avg")}`, `operations ${shown(point.at.operations, "operations")}`, `time ${shown(point.at.time, "time")}`];
  if (point.at.dense !== null) parts.push(`IoU with dense ${shown(point.at.dense, "dense")}`);
  if (point.at.truth !== null) parts.push(`with truth ${shown(point.at.truth, "truth")}`);
  if (point.at.change !== null) parts.push(`change ${shown(point.at.change, "change")} points`);
  const span = point.span?.change, sure = span ? `; 95 % interval of the change ${span.map((v) => minus(v.toFixed(1))).join(" to ")}` : "";
  return `${point.label} \u00b7 ${parts.join(", ")}${sure}`;
};
const load = (point) => point.knobs && !state.foreign && document.dispatchEvent(new CustomEvent("csp-open", { detail: { method: point.method, knobs: point.knobs, seed: point.seed ?? (state.begin.query ? state.begin.seed : undefined) } }));
const marker = (corners, x, y, size) => "M" + corners.map(([a, b]) => `${(x + a * size).toFixed(1)},${(y - b * size).toFixed(1)}`).join("L") + "Z";

const chart = () => {
  const box = $("chart");
  const y = height();
  const drawn = curves().filter((curve) => !hidden.has(curve.label)).map((curve) => ({ curve, points: placed(curve) }));
  // Dense is a level to measure against, not a place on the axis.
  const reduced = drawn.filter(({ curve }) => !curve.level).flatMap(({ points }) => points);
  const levels = drawn.filter(({ curve }) => curve.level).flatMap(({ points }) => points);
  const all = reduced.length ? reduced : levels;
  const ring = state.ring && state.ring.at[axes.x] !== null && state.ring.at[y] !== null ? state.ring : null;
  box.hidden = false;
  const width = Math.max(300, Math.min(1500, box.clientWidth || 800));
  // as high as the screen has room below the controls
  HEIGHT = Math.max(300, Math.min(760, window.innerHeight - box.getBoundingClientRect().top - window.scrollY - 34));
  const chart = svg("svg", { viewBox: `0 0 ${width} ${HEIGHT}`, width, height: HEIGHT, role: "group", tabindex: "0" });
  const own = state.begin.curves.length;
  chart.setAttribute("aria-label", `${state.begin.y[y]} over ${title("x")}, ${own} curves. Arrow keys walk the points, Enter opens one on the board.`);
  if (!all.length) {
    chart.append(svg("text", { x: width / 2, y: HEIGHT / 2, "text-anchor": "middle" }, state.points.size ? "No point has both of these: choose other axes." : "\u2026"));
    return box.replaceChildren(chart);
  }
  const [x0, x1] = range([...all, ...(ring ? [ring] : [])].map((point) => point.at[axes.x]), 0.04);
  const [y0, y1] = range([...all, ...levels, ...(ring ? [ring] : [])].flatMap((point) => [point.at[y], ...(point.span?.[y] || [])]), 0.06);
  const px = (value) => MARGIN.left + ((width - MARGIN.left - MARGIN.right) * (value - x0)) / (x1 - x0);
  const py = (value) => HEIGHT - MARGIN.bottom - ((HEIGHT - MARGIN.top - MARGIN.bottom) * (value - y0)) / (y1 - y0);
  for (const tick of ticks(y0, y1)) {
    chart.append(svg("line", { x1: MARGIN.left, x2: width - MARGIN.right, y1: py(tick), y2: py(tick), class: "csp-grid" }));
    chart.append(svg("text", { x: MARGIN.left - 7, y: py(tick) + 4, "text-anchor": "end" }, minus(tick)));
  }
  for (const tick of ticks(x0, x1)) {
    chart.append(svg("line", { x1: px(tick), x2: px(tick), y1: MARGIN.top, y2: HEIGHT - MARGIN.bottom, class: "csp-grid" }));
    chart.append(svg("text", { x: px(tick), y: HEIGHT - MARGIN.bottom + 17, "text-anchor": "middle" }, minus(tick)));
  }
  chart.append(svg("text", { x: (MARGIN.left + width - MARGIN.right) / 2, y: HEIGHT - 8, "text-anchor": "middle", class: "csp-axis" }, title("x")));
  const tall = HEIGHT - MARGIN.bottom, size = Math.min(13.5, (1.7 * tall) / state.begin.y[y].length); // long words on a low chart shrink
  chart.append(svg("text", { transform: `translate(14 ${(tall + MARGIN.top) / 2}) rotate(-90)`, "text-anchor": "middle", class: "csp-axis", style: `font-size: ${size}px` }, state.begin.y[y]));
  for (const { curve, points } of drawn) {
    const tone = curve.paper ? GREY : curve.color;
    const line = points.map((point) => `${px(point.at[axes.x]).toFixed(1)},${py(point.at[y]).toFixed(1)}`).join(" ");
    if (curve.level && points.length) {
      const up = py(points[0].at[y]);
      chart.append(svg("line", { x1: MARGIN.left, x2: width - MARGIN.right, y1: up, y2: up, class: "csp-curve", stroke: tone, "stroke-dasharray": curve.dash.join(" ") || "none" }));
    } else if (curve.joined && points.length > 1) chart.append(svg("polyline", { points: line, class: "csp-curve" + (curve.bold ? " csp-bold" : ""), stroke: tone, "stroke-dasharray": curve.dash.join(" ") || "none" }));
  }
  const marks = []; // what the pointer may mean: marks crowd, so the nearest is meant and not the one that lies on top
  for (const { curve, points } of drawn.filter(({ curve }) => !curve.level))
    for (const point of points) {
      const [x, up] = [px(point.at[axes.x]), py(point.at[y])];
      const tone = curve.paper ? GREY : curve.color;
      const mark = svg("path", { d: marker(curve.marker, x, up, curve.bold ? 6 : 5), class: "csp-mark" + (curve.paper ? " csp-hollow" : ""), stroke: tone, fill: tone });
      const span = point.span?.[y]?.map(py);
      const group = svg("g", { class: "csp-point", "data-curve": curve.label, "data-label": point.label });
      if (span) group.append(svg("line", { x1: x, x2: x, y1: span[0], y2: span[1], stroke: tone, class: "csp-span" }));
      group.append(svg("circle", { cx: x, cy: up, r: REACH, class: "csp-hit" }), mark);
      chart.append(group);
      marks.push({ point, group, x, up });
    }
  const meant = ({ clientX, clientY }) => {
    const frame = chart.getBoundingClientRect(), scale = width / frame.width;
    const far = ({ x, up }) => Math.hypot(x - (clientX - frame.left) * scale, up - (clientY - frame.top) * scale);
    const near = marks.reduce((best, one) => (!best || far(one) < far(best) ? one : best), null);
    return near && far(near) <= REACH ? near : null;
  };
  const aim = (near) => {
    for (const { group } of marks) group.classList.toggle("csp-near", group === near?.group);
    chart.classList.toggle("csp-aimed", Boolean(near));
    if (near) $("readout").textContent = words(near.point);
  };
  chart.addEventListener("pointermove", (event) => aim(meant(event)));
  chart.addEventListener("pointerleave", () => aim(null));
  chart.addEventListener("click", (event) => {
    const near = meant(event);
    if (near) load(near.point);
  });
  if (ring) {
    const [x, up] = [px(ring.at[axes.x]), py(ring.at[y])];
    chart.append(svg("circle", { cx: x, cy: up, r: 12, class: "csp-present" }));
    chart.append(svg("text", { x: Math.min(x + 15, width - 60), y: up - 9, class: "csp-here" }, "present"));
  }
  const walk = drawn.filter(({ curve, points }) => points.length && !curve.level);
  const focus = () => {
    for (const node of chart.querySelectorAll(".csp-point")) {
      const here = at && node.dataset.curve === at.curve && node.dataset.label === at.label;
      node.classList.toggle("csp-at", Boolean(here));
    }
  };
  chart.addEventListener("keydown", (event) => {
    const step = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
    let row = at ? walk.findIndex(({ curve }) => curve.label === at.curve) : -1;
    let column = row < 0 ? -1 : walk[row].points.findIndex((point) => point.label === at.label);
    if (event.key === "Enter" && column >= 0) load(walk[row].points[column]);
    else if (step) {
      event.preventDefault();
      if (column < 0) [row, column] = [walk.length - 1, 0];
      else {
        row = (row + step[0] + walk.length) % walk.length;
        column = Math.max(0, Math.min(walk[row].points.length - 1, column + step[1]));
      }
      at = { curve: walk[row].curve.label, label: walk[row].points[column].label };
      $("readout").textContent = words(walk[row].points[column]);
      focus();
    }
  });
  focus();
  const kept = box.contains(document.activeElement);
  box.replaceChildren(chart);
  if (kept) chart.focus({ preventScroll: true });
};
const title = (name) => (name === "x" && axes.x === "knob" && state.begin.knob ? state.begin.knob : state.begin[name][axes[name]]);

const keys = () =>
  $("keys").replaceChildren(
    ...curves().map((curve) => {
      const tone = curve.paper ? GREY : curve.color;
      const sample = svg("svg", { viewBox: "0 0 34 14", width: 34, height: 14, "aria-hidden": "true" });
      if (curve.joined) sample.append(svg("line", { x1: 1, x2: 33, y1: 7, y2: 7, stroke: tone, "stroke-width": curve.bold ? 3 : 1.6, "stroke-dasharray": curve.dash.join(" ") || "none" }));
      if (!curve.level) sample.append(svg("path", { d: marker(curve.marker, 17, 7, 5), class: "csp-mark" + (curve.paper ? " csp-hollow" : ""), stroke: tone, fill: tone }));
      const button = make("button", { type: "button", "aria-pressed": String(!hidden.has(curve.label)) }, sample, make("span", { text: curve.label }));
      button.addEventListener("click", () => {
        if (!hidden.delete(curve.label)) hidden.add(curve.label);
        button.setAttribute("aria-pressed", String(!hidden.has(curve.label)));
        chart();
      });
      return button;
    }),
  );

const HEADS = [["label", "Setting"], ["n_avg", "N_avg"], ["operations", "Operations"], ["time", "Time"], ["dense", "IoU dense"], ["truth", "IoU truth"], ["change", "Change"]];
const table = () => {
  if (!$("points").open) return;
  const head = make("tr", {}, ...HEADS.map(([, name]) => make("th", { scope: "col", text: name })), make("th", { scope: "col", text: "Open" }));
  const rows = curves().flatMap((curve) =>
    [...curve.points].sort((a, b) => a.at.n_avg - b.at.n_avg).map((point) => {
      const open = make("button", { type: "button", class: "csp-open", text: "Open", "aria-label": "Open " + point.label + " on the board" });
      open.addEventListener("click", () => load(point));
      return make("tr", curve.paper ? { class: "csp-printed" } : {}, make("th", { scope: "row", text: point.label }), ...HEADS.slice(1).map(([axis]) => make("td", { text: shown(point.at[axis], axis) })), make("td", {}, open));
    }),
  );
  $("points").querySelector(".csp-scroll").replaceChildren(make("table", { class: "csp-table" }, make("thead", {}, head), make("tbody", {}, ...rows)));
};
$("points").addEventListener("toggle", () => state && table());

const status = () => {
  const { begin, end, stopped } = state;
  const bar = $("progress");
  bar.hidden = Boolean(end || stopped);
  bar.max = begin.runs;
  bar.value = state.runs;
  const pictures = state.ring ? state.ring.n : 0;
  const what = begin.query ? `\u201c${begin.query}\u201d` : `mean over ${pictures} of ${begin.pictures} park scenes`;
  const done = `${state.runs} of ${begin.runs} runs, ${what}`;
  const { shipped } = begin;
  const truth = [...state.points.values()].some((point) => point.at.truth !== null);
  const known = !state.points.size || truth ? "" : " No true mask is known here: the chart shows IoU with the dense mask.";
  if (shipped) state.words = `Measured before: ${shipped.queries} queries on ${shipped.pictures} park scenes, model ${shipped.model}, every point with its 95 % interval (${shipped.finished}). Sweep measures the board\u2019s own.`;
  else if (stopped) state.words = `Stopped: ${done}. What was done stays.${known}`;
  else if (end) state.words = `${done}; ${end.toFixed(1)} s in all. One run of each, a handful of pictures: a sketch, not an evaluation.${known}`;
  else state.words = `Running: ${done}`;
  tell();
  root.dataset.state = stopped ? "stopped" : end ? "done" : "running";
  root.dataset.points = state.points.size;
};
const tell = () => {
  const stale = state.moved && !state.begin.shipped;
  $("told").replaceChildren(make("span", { text: state.words || "" }), ...(stale ? [make("strong", { class: "c-stale", text: ` ${state.moved}: press Sweep` })] : []));
  root.toggleAttribute("data-stale", Boolean(stale));
  for (const open of root.querySelectorAll(".csp-open")) open.disabled = Boolean(state.foreign);
};
// A sweep over scenes of its own has nothing to do with the picture on the board.
const ASIDE = ["target", "methods"];
const OF_PICTURE = ["image", "source", "query"];
const standing = makeStanding(root, () => Object.keys(standing.began || {}).filter((name) => !ASIDE.includes(name) && !(OF_PICTURE.includes(name) && !state?.begin.query)), (words, kinds) => {
  if (!state) return;
  state.moved = words;
  state.foreign = !state.begin.shipped && (kinds.includes("picture") || kinds.includes("query"));
  tell();
});
const notes = () => {
  const printed = state.begin.paper.length ? ["Grey: printed in the paper, another model and other data, points of mIoU; its time on one RTX A6000. Knobs of Table 1\u2019s rivals are inferred from their N_avg."] : ["The paper prints nothing for a model of this shape."];
  const made = state.begin.shipped ? [`Made by ${state.begin.shipped.command}.`] : [];
  $("notes").replaceChildren(...[...made, ...printed, ...state.begin.refused].map((note) => make("p", { text: note })));
};
const take = (data) => {
  if (data.error) {
    $("alert").textContent = data.error;
    $("told").textContent = "Not run";
    $("progress").hidden = true;
    root.dataset.state = "error";
  } else if (data.begin) {
    state = { begin: data.begin, points: new Map(), ring: null, runs: 0, end: null, stopped: false };
    hidden = new Set();
    at = null;
    standing.begin();
    seeds = data.begin.seeds ? makeSeeds($("seeds"), data.begin, (point) => load(point), (words) => ($("readout").textContent = words)) : null;
    $("seeds").hidden = !seeds;
    root.querySelector(".csp-curves").hidden = Boolean(seeds);
    $("alert").textContent = "";
    $("readout").textContent = "";
    $("points").hidden = Boolean(seeds);
  } else if (data.seed || (data.row && seeds)) {
    seeds.take(data);
    state.runs += data.seed ? 1 : 0;
  } else if (data.point) {
    state.runs += 1;
    if (data.point.curve === -1) state.ring = data.point;
    else state.points.set(data.point.curve + " " + data.point.label, data.point);
  } else if (data.end !== undefined) state.end = data.end || 0.01;
};
const draw = () => {
  const now = props.value || "";
  const told = linesSince(text, now);
  text = now;
  for (const data of told) if (data.error || data.begin || state) take(data);
  if (!state || !told.length || told.some((data) => data.error)) return;
  if (seeds) return seedsTold();
  if (told.some((data) => data.begin)) {
    keys();
    notes();
  }
  chart();
  table();
  status();
};
const seedsTold = () => {
  const { begin, end, stopped } = state, total = begin.seeds * begin.rows.length;
  $("notes").replaceChildren();
  $("progress").hidden = Boolean(end || stopped);
  Object.assign($("progress"), { max: total, value: state.runs });
  seeds.draw();
  const what = `\u201c${begin.query}\u201d, ${begin.setting}, under ${begin.seeds} seeds`;
  state.words = end ? `${what}: ${state.runs} runs, ${end.toFixed(1)} s. Bars: 95 % interval of the mean over seeds.` : `${stopped ? "Stopped" : "Running"}: ${what}, ${state.runs} runs so far`;
  root.dataset.state = stopped ? "stopped" : end ? "done" : "running";
  root.dataset.points = state.runs;
  tell();
};
root.addEventListener("csp-stop", () => {
  if (root.dataset.state !== "running") return;
  state.stopped = true;
  if (seeds) seedsTold();
  else status();
});
root.addEventListener("csp-axes", (event) => {
  axes = { ...axes, ...event.detail };
  if (state && !seeds) chart();
});
new ResizeObserver(() => {
  clearTimeout(later);
  later = setTimeout(() => state && (seeds ? seeds.draw() : chart()), 120);
}).observe(root);
$("told").textContent = "Sweep a knob, or all methods over budgets: what is lost against what is saved.";
watch("value", draw);
draw();
