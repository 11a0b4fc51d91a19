// What a run cost and how well it did: three bills kept apart, two scores, notes; the line under the board.
const change = (share) => {
  const percent = Math.round(100 * (share - 1));
  return percent === 0 ? "same" : `${percent > 0 ? "+" : "\u2212"}${Math.abs(percent)} %`;
};
const milliseconds = (value) => `${value >= 10 ? Math.round(value) : value.toFixed(1)} ms`;

const statusWords = (run) => {
  const took = Object.entries(run.ms || {}).filter(([, ms]) => ms >= 0.05).map(([part, ms]) => `${part} ${milliseconds(ms)}`).join(" + ");
  return [`\u201c${run.query}\u201d`, run.title, `seed ${run.seed}`, took].filter(Boolean).join(" \u00b7 ");
};

const drawBill = (run) => {
  const { this: ours, dense } = run.bill, timed = run.timed;
  const row = (name, help, share, words, grey) => {
    const bar = make("i", { class: "v-share", "aria-hidden": "true" });
    bar.style.setProperty("--share", Math.min(1, share ?? 0)); // what is not known has an empty bar
    return make("div", { class: `v-due${grey ? " v-grey" : ""}`, "data-bill": name, title: help }, make("span", { text: name }), make("b", { class: "csp-change", text: share === null ? "\u2013" : change(share) }), make("small", { text: words }), bar);
  };
  const tokens = row("Image tokens", "mean per layer, N_avg (Eq. 9)", ours.n_avg / run.N, `${tenth(Math.round(10 * ours.n_avg) / 10)} of ${run.N} a layer`);
  const operations = row("Operations", "FLOPs of the decoder, all tokens (2 \u00d7 Eq. 11)", dense ? ours.flops / dense.flops : null, dense ? `${flopsWords(ours.flops)} of ${flopsWords(dense.flops)} FLOPs` : `${flopsWords(ours.flops)} FLOPs`);
  const time = timed
    ? row("Time", "selection and decoder, medians of repeats in turn with dense ones", timed.ours / timed.dense, `${milliseconds(timed.ours)} of ${milliseconds(timed.dense)}, median of ${timed.n}`)
    : row("Time", "selection and decoder; one run against another says little, so it is compared by repeats", null, `${milliseconds(ours.ms)} once: ${run.untimed || "repeats follow when it is quiet"}`, true);
  const list = [tokens, operations, time];
  const scored = [["IoU dense", "dense", "fidelity: what reduction changed"], ["IoU true", "truth", "accuracy: known for park scenes"]];
  for (const [name, key, help] of scored) {
    if (!run.masks[key]) continue;
    const value = agreement(run.masks.mask, run.masks[key]);
    list.push(make("div", { class: "v-due v-score", "data-score": key, title: help }, make("span", { text: name }), make("b", { class: "csp-score", text: value === "both empty" ? value : value.toFixed(2) }), make("small", { text: help.split(":")[0] })));
  }
  $("bill").replaceChildren(...list);
};

// The colours of heat as a swatch.
const rampOf = (heat) => {
  const node = make("span", { class: "v-swatch v-ramp", "aria-hidden": "true" });
  node.style.background = rampCss(heat);
  return node;
};
const rampCss = (heat) => `linear-gradient(90deg, ${[0, 0.25, 0.5, 0.75, 1].map((at) => rgb(heat.slice(3 * Math.round(255 * at), 3 * Math.round(255 * at) + 3))).join(", ")})`;

// Every state and line that some panel has, said once.
const legendAll = (run, s, look) => {
  const codes = new Set();
  run.stages.forEach((stage, i) => stage.kind !== "all" && part(run, "state", i).forEach((code) => codes.add(code)));
  const items = STATES.flatMap((name, code) => (codes.has(code) ? [make("li", {}, swatchOf(look.states[name]), make("span", { text: look.states[name].label }))] : []));
  if (cropped(run)) items.push(make("li", {}, swatchOf(look.states.unseen), make("span", { text: look.states.unseen.label })));
  if (panels.list.some((panel) => panel.view === "attention")) items.push(make("li", { class: "v-heat" }, rampOf(look.heats?.[s.cmap] || look.heat), make("span", { text: "A_SEG, low to high; 1\u20135: the highest" })));
  return [...items, ...lineItems(run, { ...s, maskView: "outline" }, look)];
};

const drawNotes = (run) => {
  const told = [...(run.notes || [])];
  $("notes").replaceChildren(...told.map((text) => make("p", { text })));
};
