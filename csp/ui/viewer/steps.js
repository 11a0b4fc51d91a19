// The lecture's steps. Each sets its own state (`knobs` on top of the model's defaults, `show` on the board), asks for a guess,
// gives the one control that it needs, and is answered from the run on the board once the reader has moved it.
const clusterStage = (run) => run.stages.findIndex((stage) => stage.name === "clustering");
const scatterEnd = (run) => {
  const stage = run.stages.find((one) => one.name === "scattering") || run.stages[run.stages.length - 1];
  return stage.first + stage.L;
};
const lastStage = (run) => run.stages.length - 1;
const ownersOf = (run, i) => {
  const out = [];
  if (i >= 0) part(run, "owner", i).forEach((row, p) => row >= 0 && out.push(p));
  return out;
};
const columnsOf = (run, i) => new Set(ownersOf(run, i).map((p) => p % run.grid[1])).size;
const onTarget = (run, mask) => {
  const [H, W] = run.size, inside = [];
  for (let p = 0; p < run.N; p++) {
    const [x0, y0, x1, y1] = boxOf(run, p).map(Math.round);
    let sum = 0, all = 0;
    for (let y = y0; y < Math.min(H, y1); y++)
      for (let x = x0; x < Math.min(W, x1); x++) {
        sum += mask[y * W + x];
        all++;
      }
    if (sum * 2 >= all && all) inside.push(p);
  }
  return inside;
};
const drop = (share) => `${share > 1 ? "+" : "\u2212"}${Math.abs(Math.round(100 * (share - 1)))} %`;
const nAvg = (run) => tenth(Math.round(10 * run.n_avg) / 10);
const rowsOf = (run) => run.text.N_sys + run.N + run.text.N_usr + run.text.N_out;
const targetOf = (run) => (run.masks.truth?.some(Boolean) ? run.masks.truth : run.masks.mask);
const targetWords = (run) => (run.masks.truth?.some(Boolean) ? "the true mask" : "the mask");
const choiceOf = (value, ...edges) => edges.findIndex((edge) => value < edge) + (edges.every((edge) => value >= edge) ? edges.length + 1 : 0);
const now = () => true;

const OUTLINES = { maskView: "outline", dense: true, truth: true };

// `done`: the reader has done what was asked; `keeps`: once done it stays so; `tell`: [the right choice, words].
const STEPS = [
  {
    show: () => ({ large: "seen", view: "state", layer: 0 }),
    choices: ["less than half", "half to nine in ten", "more than nine in ten"],
    done: now,
    tell: (run) => {
      const share = run.N / rowsOf(run);
      return [choiceOf(share, 0.5, 0.9), `${run.N} of ${rowsOf(run)} rows, ${Math.round(100 * share)} %, in each of ${run.L} layers. Whoever saves image tokens saves nearly all.`];
    },
  },
  {
    show: () => ({ large: "mask", view: "picture" }),
    choices: ["all image tokens", "the words of the answer", "one state: that of [SEG]"],
    done: now,
    tell: (run) => [2, `One state a mask, read at row ${Math.max(...run.text.I_rank) + 1} of ${rowsOf(run)}. That is why so many image tokens may go: the mask needs them only through [SEG].`],
  },
  {
    show: () => ({ large: "seen", view: "state", layer: 0 }),
    controls: [{ view: "instances", text: "Show the objects on the grid" }],
    choices: ["1 to 4", "5 to 20", "more than 20"],
    todo: "Now show the objects.",
    keeps: true,
    done: (run, s) => s.view === "instances" || !run.instance,
    tell: (run) => {
      const n = onTarget(run, targetOf(run)).length;
      return [choiceOf(n, 5, 21), `${n} of ${run.N} tokens lie at least half on ${targetWords(run)}. All the others could go, if one knew which.`];
    },
  },
  {
    show: () => ({ large: "pruning", view: "positions", layer: 0 }),
    controls: [{ layer: (run) => run.L, text: "Go to the last layer" }],
    choices: ["their old ones, with gaps", "new ones, without gaps"],
    todo: "Now go to the last layer.",
    keeps: true,
    done: (run, s) => s.layer === run.L,
    tell: (run) => {
      const i = lastStage(run), ids = Array.from(run.ids.subarray(run.rows[i], run.rows[i] + run.stages[i].n)).sort((a, b) => a - b);
      const gaps = ids.length > 0 && ids[ids.length - 1] - ids[0] + 1 > ids.length;
      return [gaps ? 0 : 1, `The ${ids.length} tokens of the last layer stand at ${ids.slice(0, 6).join(", ")}${ids.length > 6 ? ", \u2026" : ""}${gaps ? ": where they stood before (Eq. 6)." : ": no gap."}`];
    },
  },
  {
    knobs: () => ({ cluster: "uniform", uniform: "eq2" }),
    show: () => ({ large: "clustering", view: "state", layer: 1 }),
    controls: [{ knob: "Nc" }, { choice: "cluster" }],
    choices: ["one", "some", "all"],
    todo: "Now set Nc to as many as the grid has rows: 16 of a 16 \u00d7 16 grid.",
    done: (run) => run.knobs.cluster === "uniform" && run.knobs.Nc === run.grid[0] && clusterStage(run) >= 0,
    tell: (run) => {
      const n = columnsOf(run, clusterStage(run)), cols = run.grid[1], stride = Math.floor(run.N / run.knobs.Nc);
      return [n === 1 ? 0 : n < cols ? 1 : 2, `${n} of ${cols}. The stride is ${stride}${stride === cols ? ", exactly a row: one column of tokens stands for the picture. The other three clusterings do not fall into it." : "."}`];
    },
  },
  {
    show: (run) => ({ large: "clustering", view: "compute", layer: Math.max(1, run.knobs.Lc || 1) }),
    controls: [{ knob: "Lc" }],
    choices: ["rise", "fall", "stay"],
    todo: "Now move Lc up.",
    done: (run, s, base) => run.knobs.Lc > base.knobs.Lc && run.knobs.Ls === base.knobs.Ls && clusterStage(run) >= 0,
    tell: (run, s, base) => {
      const by = run.n_avg - base.n_avg, layers = run.knobs.Lc - base.knobs.Lc, one = layers === 1 ? "one layer" : `${layers} layers`;
      return [Math.abs(by) < 1e-6 ? 2 : by > 0 ? 0 : 1, `N_avg went from ${nAvg(base)} to ${nAvg(run)}: ${one} moved from ${base.stages[lastStage(base)].n} tokens to ${run.stages[clusterStage(run)].n}.`];
    },
  },
  {
    show: (run) => ({ large: "scattering", view: "age", layer: Math.min(run.L, (run.knobs.Lc || 0) + 1) }),
    controls: [{ layer: (run) => scatterEnd(run), text: "Go to the end of scattering" }],
    choices: ["0 layers", "Ls layers", "Lc + Ls layers"],
    todo: "Now go to its last layer.",
    keeps: true,
    done: (run, s) => s.view === "age" && s.layer === scatterEnd(run),
    tell: (run) => {
      const ages = Array.from(agesAt(run, scatterEnd(run))).filter((age) => age === age), young = Math.min(...ages), old = Math.max(...ages), { Ls } = run.knobs;
      return [young === 0 ? 0 : young === Ls ? 1 : 2, `The youngest is ${young} layers old, the oldest ${old}. The decoder ranks both by one attention row.`];
    },
  },
  {
    show: (run) => ({ large: "scattering", view: "attention", layer: scatterEnd(run), maskView: "off", dense: false, truth: false }),
    controls: [{ mask: "outline", text: "Turn the mask on" }],
    choices: ["yes", "no"],
    todo: "Now turn the mask on.",
    keeps: true,
    done: (run, s) => s.maskView !== "off",
    tell: (run) => {
      const row = run.attention[scatterEnd(run)], [best] = largest(row, 1), yes = onTarget(run, run.masks.mask).includes(best);
      return [yes ? 0 : 1, `The highest, at ${tokenName(run, best)} with ${percent(row[best])}, lies ${yes ? "in" : "outside"} the mask.`];
    },
  },
  {
    show: (run) => ({ large: "pruning", view: "state", layer: run.L }),
    controls: [{ knob: "Np" }],
    choices: ["less than 0.05", "0.05 to 0.2", "more"],
    todo: "Now move Np down to 4.",
    done: (run, s, base) => run.knobs.Np <= 4 && base.iou.dense !== null && run.iou.dense !== null,
    tell: (run, s, base) => {
      const by = Math.abs(run.iou.dense - base.iou.dense);
      return [choiceOf(by, 0.05, 0.2), `${base.iou.dense.toFixed(2)} before, ${run.iou.dense.toFixed(2)} with ${run.stages[lastStage(run)].n} survivors.`];
    },
  },
  {
    show: (run) => ({ large: "pruning", view: "compute", layer: run.L }),
    controls: [{ fewest: true }],
    choices: ["just as much", "less", "more"],
    todo: "Now take the preset with the fewest tokens.",
    done: (run, s, base) => run.n_avg < 0.8 * base.n_avg && !!run.bill.dense,
    tell: (run) => {
      const tokens = run.n_avg / run.N, flops = run.bill.this.flops / run.bill.dense.flops, same = Math.abs(tokens - flops) < 0.005;
      const timed = run.timed ? `, measured time ${drop(run.timed.ours / run.timed.dense)}` : "";
      return [same ? 0 : flops > tokens ? 1 : 2, `Image tokens ${drop(tokens)}, operations ${drop(flops)}${timed}: text tokens are paid for in every layer.`];
    },
  },
  {
    show: () => ({ large: "mask", view: "picture" }),
    choices: ["clustering", "scattering", "pruning"],
    done: now,
    tell: (run) => {
      const shares = run.stages.map((stage) => (stage.L * stage.n) / (run.n_avg * run.L)), most = shares.indexOf(Math.max(...shares));
      const known = ["clustering", "scattering", "pruning"].indexOf(run.stages[most].name);
      return [Math.max(0, known), `${run.stages[most].title} took ${Math.round(100 * shares[most])} % of all that image tokens cost, in ${run.stages[most].L} of ${run.L} layers. That is where the next saving would have to be.`];
    },
  },
];

// Values that the texts quote, by their data-live names: all of the run on the board.
const liveValues = (run) => {
  const [H, W] = run.size, [x0, y0, x1, y1] = run.crop, k = run.knobs, i = clusterStage(run), bend = elbow(run);
  const row = run.attention[scatterEnd(run)], known = (value) => (value === undefined || value === null ? "\u2013" : String(value));
  return {
    grid: `${run.grid[0]} \u00d7 ${run.grid[1]}`, N: run.N, T: rowsOf(run), L: run.L, crop: `${Math.round((100 * (x1 - x0) * (y1 - y0)) / (H * W))} %`,
    N_sys: run.text.N_sys, N_usr: run.text.N_usr, N_out: run.text.N_out, query: `\u201c${run.query}\u201d`,
    Lc: known(k.Lc), Nc: known(k.Nc), Ls: known(k.Ls), Np: known(k.Np), Lp: k.Lc === undefined ? "\u2013" : run.L - k.Lc - k.Ls, cluster: known(k.cluster),
    S: i >= 0 ? run.stages[i].n : "\u2013", columns: i >= 0 ? columnsOf(run, i) : "\u2013",
    n_avg: nAvg(run), on_image: `${Math.round(100 * row.reduce((a, b) => a + (b === b ? b : 0), 0))} %`,
    mass: bend ? `${Math.round(100 * bend.mass[Math.min(bend.kept, bend.mass.length) - 1])} %` : "\u2013",
    iou_dense: run.iou.dense === null ? "\u2013" : run.iou.dense.toFixed(2),
    iou_truth: run.iou.truth === null ? "not known" : run.iou.truth.toFixed(2),
    d_tokens: drop(run.n_avg / run.N), d_flops: run.bill.dense ? drop(run.bill.this.flops / run.bill.dense.flops) : "\u2013",
  };
};

// The tokens that a symbol stands for.
const tokensOf = (run, symbol) => {
  const all = Array.from({ length: run.N }, (_, p) => p), stage = (name) => run.stages.findIndex((one) => one.name === name);
  if (["Nc", "S", "Lc"].includes(symbol)) return ownersOf(run, stage("clustering"));
  if (["Np", "P", "Lp"].includes(symbol)) return ownersOf(run, stage("pruning"));
  if (["N", "Ls", "E_img"].includes(symbol)) return all;
  return symbol === "A_SEG" ? largest(run.attention[scatterEnd(run)], 5) : [];
};
