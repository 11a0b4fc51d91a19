// Small drawings beside the board, as SVG: tokens per layer, a token's attention over layers, the elbow, the ruler.
const MARGIN = 8; // half a slider's thumb: charts, stage bar and slider share one axis of layers

const stepChart = (run, width, look, height = 96) => {
  const { L, N, stages, n_avg } = run, small = width < 120, inner = width - 2 * MARGIN, bottom = height - (small ? 4 : 18);
  const x = (layer) => MARGIN + (inner * layer) / L, y = (n) => bottom - ((bottom - 18) * n) / N;
  const text = stages.map((stage) => `${stage.title} ${stage.n} tokens in ${stage.L} layers`).join("; ");
  const chart = svg("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `Image tokens per layer: ${text}; mean ${tenth(n_avg)} of ${N}` });
  for (const stage of stages) {
    const x0 = x(stage.first), x1 = x(stage.first + stage.L);
    chart.append(svg("rect", { x: x0, y: y(stage.n), width: Math.max(0, x1 - x0 - 1), height: Math.max(1, bottom - y(stage.n)), fill: look.stages[stage.name] || look.stage }));
    if (small) continue; // no letter fits
    const label = x1 - x0 > 110 ? `${stage.title} ${stage.n}` : stage.n;
    // above its bar, or within it where the line of the mean would run through the words
    const crossed = y(n_avg) < y(stage.n) + 2 && y(n_avg) > y(stage.n) - 20, within = crossed && bottom - y(stage.n) > 20;
    chart.append(svg("text", { x: (x0 + x1) / 2, y: y(stage.n) + (within ? 15 : -4), "text-anchor": "middle" }, label));
    const end = stage.first + stage.L; // large text would leave the picture at its right edge
    chart.append(svg("text", { x: end === L ? width : x1, y: height - 4, "text-anchor": end === L ? "end" : "middle" }, end));
  }
  if (small) return Object.assign(chart, { at: () => {} });
  chart.append(svg("line", { x1: MARGIN, x2: width - MARGIN, y1: y(n_avg), y2: y(n_avg), class: "v-mean" }));
  const last = stages[stages.length - 1];
  chart.append(svg("text", { x: width - MARGIN - 2, y: y(Math.max(n_avg, last.n)) - (last.n > n_avg ? 18 : 4), "text-anchor": "end" }, `N_avg ${tenth(n_avg)}`));
  chart.append(svg("line", { class: "v-now", x1: 0, x2: 0, y1: 4, y2: bottom + 2 }));
  chart.at = (layer) => {
    const now = chart.querySelector(".v-now");
    now.setAttribute("x1", x(layer));
    now.setAttribute("x2", x(layer));
  };
  chart.layerAt = (px) => Math.min(L, Math.max(0, Math.round(((px - MARGIN) / inner) * L)));
  return chart;
};

// Attention over layers of up to a few tokens, one line each; gaps where the token did not take part.
const sparkPath = (run, patch, width, height, top) => {
  let path = "", open = false;
  for (let layer = 1; layer <= run.L; layer++) {
    const value = run.attention[layer][patch];
    if (value !== value) {
      open = false;
      continue;
    }
    const x = (layer / run.L) * width, y = height - (value / top) * (height - 3) - 1;
    path += `${open ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`;
    if (!open) path += "h0.1";
    open = true;
  }
  return path;
};

const sparkTop = (run, patches) => {
  let top = 0;
  for (let layer = 1; layer <= run.L; layer++)
    for (const p of patches) if (run.attention[layer][p] > top) top = run.attention[layer][p];
  return top || 1;
};

const elbowChart = (run, bend, width, look, height = 120) => {
  const { order, mass, kept, stage } = bend, n = order.length, left = 38, bottom = height - 30;
  // logarithmic: the few that matter get most of the room
  const x = (k) => left + ((width - left - 16) * Math.log(k)) / Math.log(Math.max(n, 2)), y = (m) => bottom - (bottom - 8) * m;
  const share = mass[Math.min(kept, n) - 1];
  const label = `The ${kept} tokens kept hold ${Math.round(100 * share)} % of the ranking's mass`;
  const chart = svg("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label });
  for (const m of [0, 0.5, 1]) {
    chart.append(svg("line", { x1: left, x2: width - 10, y1: y(m), y2: y(m), class: "v-grid" }));
    chart.append(svg("text", { x: left - 4, y: y(m) + 4, "text-anchor": "end" }, `${100 * m}%`));
  }
  for (const k of [2, 4, 8, 16, 32, 64, 128, 256]) {
    if (k > n) break;
    chart.append(svg("line", { x1: x(k), x2: x(k), y1: bottom, y2: bottom + 4, class: "v-axis" }));
    chart.append(svg("text", { x: x(k), y: bottom + 16, "text-anchor": "middle" }, k));
  }
  chart.append(svg("path", { d: mass.map((m, k) => `${k ? "L" : "M"}${x(k + 1).toFixed(1)} ${y(m).toFixed(1)}`).join(""), class: "v-line" }));
  const color = look.stages[run.stages[stage].name] || look.stage;
  chart.append(svg("line", { x1: x(kept), x2: x(kept), y1: 4, y2: bottom, stroke: color, "stroke-width": 2.5 }));
  chart.append(svg("text", { x: Math.min(x(kept) + 5, width - 60), y: y(share) + 16, class: "v-strong" }, `${kept}: ${Math.round(100 * share)} %`));
  return { chart, label };
};

// Position ids of everything in the sequence on one line: gaps stay where tokens left (Eq. 6).
const drawRuler = (canvas, width, run, layer, look, ink) => {
  const ratio = Math.min(window.devicePixelRatio || 1, 2);
  if (canvas.width !== width * ratio) Object.assign(canvas, { width: width * ratio, height: 26 * ratio });
  const g = canvas.getContext("2d");
  g.setTransform(ratio, 0, 0, ratio, 0, 0);
  g.clearRect(0, 0, width, 26);
  const T = run.text.N_sys + run.N + run.text.N_usr + run.text.N_out;
  const x = (id) => MARGIN + ((width - 2 * MARGIN) * id) / T, one = Math.max(1, (width - 2 * MARGIN) / T);
  const i = run.stageAt[layer], shown = i < 0 ? run.N : run.stages[i].n;
  const ids = i < 0 ? Array.from({ length: run.N }, (_, p) => run.text.N_sys + p) : Array.from(run.ids.subarray(run.rows[i], run.rows[i] + shown));
  const packed = i >= 0 && ids.length > 0 && ids.length < run.N && Math.max(...ids) - run.text.N_sys + 1 === ids.length;
  g.fillStyle = i < 0 ? look.stage : look.stages[run.stages[i].name] || look.stage;
  for (const id of ids) g.fillRect(x(id), 4, one, 18);
  g.fillStyle = ink;
  const after = packed ? run.text.N_sys + ids.length : run.text.N_sys + run.N;
  for (let k = 0; k < run.text.N_sys; k++) g.fillRect(x(k), 8, one, 10);
  for (let k = 0; k < run.text.N_usr + run.text.N_out; k++) g.fillRect(x(after + k), 8, one, 10);
  const gaps = packed ? "numbered anew, no gaps" : ids.length < run.N ? `${run.N - ids.length} ids unused, gaps kept` : "no gaps";
  return `Position ids 0\u2013${T - 1}: ${shown} image tokens, ${run.text.N_sys + run.text.N_usr + run.text.N_out} text tokens; ${gaps}`;
};
