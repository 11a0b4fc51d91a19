// The run that stands there, told in fifteen seconds: the question, tokens that fade, scatter and stay, the mask, the bill.
const SECONDS = 15;
const replay = { timer: 0, on: false };
const scenesOf = (run) => {
  const out = [[`\u201c${run.query}\u201d: ${run.N} image tokens, and only some of them matter.`, { layer: 0, panel: "seen" }]];
  for (const panel of panels.list.filter((one) => one.stage >= 0)) {
    const stage = run.stages[panel.stage];
    const words = { clustering: `Clustering: ${stage.n} tokens stand for all ${run.N}.`, scattering: `Scattering: all ${run.N} are back; [SEG] looks for what was asked.`, pruning: `Pruning: the ${stage.n} that it looks at most go on.` }[panel.id] || `${stage.title}: ${stage.n} of ${run.N} tokens.`;
    out.push([words, { from: stage.first + 1, layer: stage.first + stage.L, panel: panel.id }]);
  }
  out.push(["The mask is drawn from them.", { layer: run.L, panel: "mask" }]);
  const { this: ours, dense } = run.bill;
  out.push([`The bill: ${change(ours.n_avg / run.N)} image tokens${dense ? `, ${change(ours.flops / dense.flops)} operations` : ""}.`, { layer: run.L, panel: "steps" }]);
  return out;
};
replay.stop = () => {
  clearTimeout(replay.timer);
  if (!replay.on) return;
  replay.on = false;
  root.removeAttribute("data-replay");
  root.querySelector(".v-replay")?.remove();
  for (const node of root.querySelectorAll("[data-lit]")) node.removeAttribute("data-lit");
  set({ scrubbed: false, layer: run.L });
};
replay.go = () => {
  if (!run) return;
  replay.stop();
  if (s.large) set({ large: null });
  replay.on = true;
  root.dataset.replay = "1";
  const words = make("p"), skip = make("button", { type: "button", text: "Skip" });
  skip.addEventListener("click", replay.stop);
  root.append(make("div", { class: "v-replay", role: "status" }, words, skip));
  const shown = scenesOf(run), each = (1000 * SECONDS) / shown.length;
  const show = (i) => {
    if (!replay.on || i >= shown.length) return replay.stop();
    const [text, { from, layer, panel }] = shown[i];
    words.textContent = text;
    for (const node of root.querySelectorAll("figure[data-panel]")) node.dataset.panel === panel ? (node.dataset.lit = "1") : node.removeAttribute("data-lit");
    if (from && !still) {
      const many = layer - from + 1;
      for (let k = 0; k < many; k++) setTimeout(() => replay.on && set({ layer: from + k, scrubbed: true }), (0.8 * each * k) / many);
    } else set({ layer, scrubbed: true });
    replay.timer = setTimeout(() => show(i + 1), each);
  };
  show(0);
};
// Once a browser, on the page's first result, while nobody has touched anything.
replay.first = () => {
  try {
    if (localStorage.getItem("csp-replayed")) return;
    localStorage.setItem("csp-replayed", "1");
  } catch (error) {
    return;
  }
  replay.go();
};
for (const kind of ["pointerdown", "keydown", "wheel"]) root.addEventListener(kind, (event) => replay.on && !event.target.closest(".v-replay") && replay.stop(), { passive: true });

// Whether the parts of a run stand where they must: what blank masks were about elsewhere.
const selfCheck = () => {
  const { text, crop, size } = run, seg = text.I_rank, first = text.N_sys, last = text.N_sys + run.N - 1;
  const ids = Array.from(run.ids.subarray(run.rows[run.rows.length - 1]));
  const checks = [
    ["[SEG] is read after the words", seg.every((slot) => slot > last), `rows ${seg.join(", ")} of ${text.N_sys + run.N + text.N_usr + text.N_out}`],
    ["Image tokens are one span", run.N === run.grid[0] * run.grid[1], `slots ${first} to ${last}, a grid of ${run.grid.join(" \u00d7 ")}`],
    ["The tower's view lies in the picture", crop[0] >= 0 && crop[1] >= 0 && crop[2] <= size[1] + 1 && crop[3] <= size[0] + 1, `${Math.round((100 * (crop[2] - crop[0]) * (crop[3] - crop[1])) / (size[0] * size[1]))} % of it is seen`],
    ["Positions rise along the sequence", ids.every((id, i) => !i || id > ids[i - 1]), ids.length < 8 ? ids.join(", ") : `${ids.slice(0, 4).join(", ")} \u2026 ${ids[ids.length - 1]}`],
    ["Every layer ran", run.stages.reduce((sum, stage) => sum + stage.L, 0) === run.L, `${run.L} of ${run.L}`],
    ["The mask's logits are finite", run.logits.every(Number.isFinite), `highest ${tenth(Math.round(10 * run.logits.reduce((a, b) => Math.max(a, b), -1e9)) / 10)}`],
    ...(run.segId === undefined ? [] : [["[SEG] has an id of its own", run.segId > 0, `id ${run.segId}`]]),
  ];
  const rows = checks.map(([name, good, words]) => make("tr", { "data-good": good ? "1" : "0" }, make("td", { text: good ? "\u2713" : "\u2717" }), make("th", { scope: "row", text: name }), make("td", { text: words })));
  showDialog("Self-check", make("div", {}, make("h3", { text: `Self-check of this run, model ${run.model}` }), make("table", { class: "v-checks" }, make("tbody", {}, ...rows))));
};
