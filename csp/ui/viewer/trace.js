// What a run says at a layer: states, numbers by view, ranks, and the words for them. Pure, like unpack.js.
const STATES = ["representative", "dormant", "restored", "survivor", "pruned"];
const ENTERED = 5; // the state of every token before the first layer

const statesAt = (run, layer) => {
  const i = run.stageAt[layer];
  return i < 0 ? new Uint8Array(run.N).fill(ENTERED) : part(run, "state", i);
};

// Layers that each embedding has been through once `layer` has run; NaN where no token stands for the patch.
const agesAt = (run, layer) => {
  const out = new Float32Array(run.N);
  if (!layer) return out;
  const i = run.stageAt[layer], age = part(run, "age", i), owner = part(run, "owner", i);
  const gone = layer - run.stages[i].first;
  for (let p = 0; p < run.N; p++) out[p] = owner[p] >= 0 ? age[p] + gone : NaN;
  return out;
};

// Layers that each patch took part in so far: column sums of `source` over layers.
const computeAt = (run, layer) => {
  const out = new Float32Array(run.N);
  run.stages.forEach((stage, i) => {
    const ran = Math.min(Math.max(layer - stage.first, 0), stage.L);
    if (!ran) return;
    const weight = part(run, "weight", i);
    for (let p = 0; p < run.N; p++) out[p] += ran * weight[p];
  });
  return out;
};

const positionsAt = (run, layer) => {
  const out = new Float32Array(run.N), i = run.stageAt[layer];
  if (i < 0) return out.map((_, p) => run.text.N_sys + p);
  const owner = part(run, "owner", i);
  for (let p = 0; p < run.N; p++) out[p] = owner[p] < 0 ? NaN : run.ids[run.rows[i] + owner[p]];
  return out;
};

const VIEWS = {
  state: { key: "1", label: "State", help: "which tokens take part, wait, came back, survive or are gone" },
  attention: { key: "2", label: "A_SEG", help: "what [SEG] attends to in this layer (Eq. 8), mean over heads" },
  age: { key: "3", label: "Age", help: "layers that each embedding has been through (Eq. 7 mixes ages)" },
  compute: { key: "4", label: "Compute", help: "layers that each patch took part in so far (Eq. 9)" },
  cls: { key: "5", label: "CLS", help: "the vision tower's own [CLS] attention (Eq. 3)" },
  instances: { key: "6", label: "Instances", help: "the object that covers at least half of each patch" },
  picture: { key: "8", label: "Picture", help: "the picture alone" },
  positions: { key: "7", label: "Positions", help: "rotary position ids: kept through pruning (Eq. 6)" },
};

const has = (run, view) => (view === "cls" ? !!run.cls : view === "instances" ? !!run.instance : true);

// One head's row where the ranking layer kept it, else the mean over heads.
const headAt = (run, layer, head) => (head >= 0 && run.heads && layer === run.rank_layer + 1 ? run.heads.subarray(head * run.N, (head + 1) * run.N) : null);

const valuesAt = (run, view, layer, head = -1) => {
  if (view === "attention") return headAt(run, layer, head) || run.attention[layer];
  if (view === "age") return agesAt(run, layer);
  if (view === "compute") return computeAt(run, layer);
  if (view === "positions") return positionsAt(run, layer);
  if (view === "cls") return run.cls || new Float32Array(run.N).fill(NaN);
  if (view === "picture") return new Float32Array(run.N).fill(NaN);
  if (view === "instances") return run.instance ? Float32Array.from(run.instance, (id) => id || NaN) : new Float32Array(run.N).fill(NaN);
  return statesAt(run, layer);
};

const largest = (values, n) => {
  const order = [];
  for (let p = 0; p < values.length; p++) if (values[p] === values[p]) order.push(p);
  return order.sort((a, b) => values[b] - values[a] || a - b).slice(0, n);
};

const rankIn = (values, patch) => {
  const own = values[patch];
  if (own !== own) return 0;
  let rank = 1;
  for (let p = 0; p < values.length; p++) if (values[p] > own || (values[p] === own && p < patch)) rank++;
  return rank;
};

// Values as levels 0..1 for the colour map, NaN kept. `sinks` of the largest are left out of the scale and drawn full.
const leveled = (values, scale, sinks) => {
  const out = new Float32Array(values.length).fill(NaN);
  const order = largest(values, values.length);
  if (!order.length) return { levels: out, top: NaN, beyond: [] };
  const beyond = order.slice(0, Math.min(sinks, order.length - 1));
  const rest = order.slice(beyond.length), top = values[rest[0]];
  for (const p of beyond) out[p] = 1;
  if (scale === "percentile") {
    // mean rank of ties, so that equal attention never shows as unequal colour
    const n = rest.length;
    for (let i = 0; i < n; ) {
      let j = i;
      while (j < n && values[rest[j]] === values[rest[i]]) j++;
      const level = n > 1 && j - i < n ? (n - 1 - (i + j - 1) / 2) / (n - 1) : 0.5;
      for (; i < j; i++) out[rest[i]] = level;
    }
  } else for (const p of rest) out[p] = top > 0 ? (scale === "sqrt" ? Math.sqrt(values[p] / top) : values[p] / top) : 0;
  return { levels: out, top, beyond };
};

const flat = (values, low, high) => values.map((v) => (high > low ? (v - low) / (high - low) : 0));

const percent = (share) => (share !== share ? "none" : share > 0 && share < 1e-5 ? "< 0.001 %" : `${+(100 * share).toPrecision(3)} %`);
const plainNumber = (value) => `${+value.toPrecision(3)}`;
const tenth = (value) => (Number.isInteger(value) ? String(value) : value.toFixed(1));

const layerWords = (run, layer) => {
  const i = run.stageAt[layer];
  if (i < 0) return `Input: ${run.N} image tokens, before the first layer`;
  const stage = run.stages[i];
  return `Layer ${layer} of ${run.L}: ${stage.title}, ${stage.n} of ${run.N} image tokens`;
};

// A token's way through the run, stage by stage.
const journey = (run, patch) =>
  run.stages.map((stage, i) => {
    const state = STATES[part(run, "state", i)[patch]], last = stage.first + stage.L;
    const span = stage.L === 1 ? `${last}` : `${stage.first + 1}\u2013${last}`;
    const owner = part(run, "owner", i)[patch];
    const centre = owner >= 0 ? run.centre[run.rows[i] + owner] : -1;
    const into = owner >= 0 && centre >= 0 && centre !== patch ? centre : -1;
    const entered = part(run, "age", i)[patch];
    return { stage: i, span, state, into, age: owner >= 0 ? entered : NaN };
  });

const valueWords = (run, view, value) => {
  if (value !== value) return view === "instances" ? "no instance" : "no token here";
  if (view === "attention" || view === "cls") return percent(value);
  if (view === "age") return `${tenth(value)} layers old`;
  if (view === "compute") return `${plainNumber(value)} layers so far`;
  if (view === "positions") return `position ${value}`;
  return view === "instances" ? `instance ${value}` : "";
};

// Cumulative attention of the ranking, from the highest: the elbow that says how many tokens matter.
const elbow = (run) => {
  const i = run.stages.findIndex((stage, k) => stage.kind === "kept" && run[`score.${k}`]);
  if (i < 0) return null;
  const score = run[`score.${i}`], order = largest(score, run.N);
  const total = order.reduce((sum, p) => sum + Math.max(score[p], 0), 0) || 1;
  let sum = 0;
  return { stage: i, order, kept: run.stages[i].n, name: run.stages[i].score, mass: order.map((p) => (sum += Math.max(score[p], 0)) / total) };
};
