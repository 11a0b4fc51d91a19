// Eight steps over the same board. A step shows something, asks for a guess, and answers it from what the reader then does.
const clusterStage = (run) => run.stages.findIndex((stage) => stage.name === "clustering");
const scatterEnd = (run) => {
  const stage = run.stages.find((one) => one.name === "scattering") || run.stages[run.stages.length - 1];
  return stage.first + stage.L;
};
const columnsOf = (run, i) => {
  const used = new Set();
  part(run, "owner", i).forEach((row, p) => row >= 0 && used.add(p % run.grid[1]));
  return used.size;
};
const onTarget = (run, mask) => {
  const [H, W] = run.size, [rows, cols] = run.grid, [x0, y0, x1, y1] = run.crop, inside = [];
  for (let p = 0; p < run.N; p++) {
    const [r, c] = rowCol(run, p);
    let sum = 0, all = 0;
    for (let y = Math.round(y0 + ((y1 - y0) * r) / rows); y < Math.min(H, Math.round(y0 + ((y1 - y0) * (r + 1)) / rows)); y++)
      for (let x = Math.round(x0 + ((x1 - x0) * c) / cols); x < Math.min(W, Math.round(x0 + ((x1 - x0) * (c + 1)) / cols)); x++) {
        sum += mask[y * W + x];
        all++;
      }
    if (sum * 2 >= all && all) inside.push(p);
  }
  return inside;
};
const drop = (share) => `${share > 1 ? "+" : "\u2212"}${Math.abs(Math.round(100 * (share - 1)))} %`;

const OUTLINES = { maskView: "outline", dense: true, truth: true };

// Each step: where to look, the choices, when the reader has done it, and what then is true: [right choice, words].
const STEPS = [
  {
    show: () => ({ view: "state", layer: 0 }),
    choices: ["1 to 4", "5 to 20", "more than 20"],
    done: (run, s) => s.view === "instances",
    tell: (run) => {
      const n = onTarget(run, run.masks.truth || run.masks.mask).length;
      return [n < 5 ? 0 : n < 21 ? 1 : 2, `${n} of ${run.N} tokens lie at least half on it. All the others could go, if one knew which.`];
    },
  },
  {
    show: () => ({ view: "positions", layer: 0 }),
    choices: ["their old ones, with gaps", "new ones, without gaps"],
    done: (run, s) => s.layer === run.L,
    tell: (run) => {
      const i = run.stages.length - 1, ids = Array.from(run.ids.subarray(run.rows[i], run.rows[i] + run.stages[i].n));
      const gaps = ids.length > 0 && Math.max(...ids) - Math.min(...ids) + 1 > ids.length;
      return [gaps ? 0 : 1, `The ${ids.length} tokens of the last layer stand at ${ids.slice(0, 6).join(", ")}${ids.length > 6 ? ", \u2026" : ""}${gaps ? ": as before (Eq. 6)." : ": no gap. In a dense run or with new ids there is none; try LVLM_CSP."}`];
    },
  },
  {
    show: () => ({ view: "state", layer: 1 }),
    choices: ["one", "four", "all"],
    done: (run) => run.knobs.cluster === "uniform" && run.knobs.Nc === 16 && clusterStage(run) >= 0,
    tell: (run) => {
      const n = columnsOf(run, clusterStage(run)), cols = run.grid[1];
      return [n === 1 ? 0 : n < cols ? 1 : 2, `${n} of ${cols}. The stride is ${Math.floor(run.N / 16)}${run.N / 16 === cols ? ", exactly a row: one column of tokens stands for the picture. Under \u201cOff the paper\u201d, uniform = even mends it." : "."}`];
    },
  },
  {
    show: (run) => ({ view: "compute", layer: Math.max(1, run.knobs.Lc || 1) }),
    choices: ["rise", "fall", "stay"],
    done: (run, s, base) => base && run.knobs.Lc > base.knobs.Lc && run.knobs.Ls === base.knobs.Ls && clusterStage(run) >= 0,
    tell: (run, s, base) => {
      const by = run.n_avg - base.n_avg;
      return [Math.abs(by) < 1e-6 ? 2 : by > 0 ? 0 : 1, `N_avg went from ${tenth(base.n_avg)} to ${tenth(run.n_avg)}: each layer moved from ${run.stages[run.stages.length - 1].n} tokens to ${run.stages[0].n}.`];
    },
  },
  {
    show: (run) => ({ view: "age", layer: Math.min(run.L, (run.knobs.Lc || 0) + 1) }),
    choices: ["0 layers", "Ls layers", "Lc + Ls layers"],
    done: (run, s) => s.view === "age" && s.layer === scatterEnd(run),
    tell: (run) => {
      const ages = Array.from(agesAt(run, scatterEnd(run))).filter((age) => age === age), young = Math.min(...ages), old = Math.max(...ages);
      const Ls = run.knobs.Ls;
      return [young === 0 ? 0 : young === Ls ? 1 : 2, `The youngest is ${young} layers old, the oldest ${old}. The decoder ranks both by one attention row.`];
    },
  },
  {
    show: (run) => ({ view: "attention", layer: scatterEnd(run), maskView: "off", dense: false, truth: false }),
    choices: ["yes", "no"],
    done: (run, s) => s.maskView !== "off",
    tell: (run) => {
      const best = largest(run.attention[scatterEnd(run)], 1)[0], inside = new Set(onTarget(run, run.masks.mask));
      const yes = inside.has(best);
      return [yes ? 0 : 1, `The highest, at ${tokenName(run, best)} with ${percent(run.attention[scatterEnd(run)][best])}, lies ${yes ? "in" : "outside"} the mask.`];
    },
  },
  {
    show: (run) => ({ view: "state", layer: run.L }),
    choices: ["less than 0.05", "0.05 to 0.2", "more"],
    done: (run, s, base) => base && run.knobs.Np <= 4 && base.iou.dense !== null && run.iou.dense !== null,
    tell: (run, s, base) => {
      const by = Math.abs(run.iou.dense - base.iou.dense);
      return [by < 0.05 ? 0 : by < 0.2 ? 1 : 2, `${base.iou.dense.toFixed(2)} before, ${run.iou.dense.toFixed(2)} with ${run.stages[run.stages.length - 1].n} survivors.`];
    },
  },
  {
    show: (run) => ({ view: "compute", layer: run.L }),
    choices: ["89 % as well", "less", "more"],
    done: (run) => run.n_avg <= 0.15 * run.N && run.bill.dense,
    tell: (run) => {
      const tokens = run.n_avg / run.N, flops = run.bill.this.flops / run.bill.dense.flops;
      const same = Math.abs(tokens - flops) < 0.005;
      return [same ? 0 : flops > tokens ? 1 : 2, `Image tokens ${drop(tokens)}, operations ${drop(flops)}, time on this machine ${drop(run.bill.this.ms / run.bill.dense.ms)}.`];
    },
  },
];

// Values that the texts quote, by their data-live names.
const liveValues = (run) => {
  const [H, W] = run.size, [x0, y0, x1, y1] = run.crop, k = run.knobs, i = clusterStage(run), bend = elbow(run);
  const row = run.attention[scatterEnd(run)], share = (a, b) => (b ? drop(a / b) : "\u2013");
  const known = (value) => (value === undefined || value === null ? "\u2013" : String(value));
  return {
    grid: `${run.grid[0]} \u00d7 ${run.grid[1]}`, N: run.N, crop: `${Math.round((100 * (x1 - x0) * (y1 - y0)) / (H * W))} %`,
    N_sys: run.text.N_sys, N_usr: run.text.N_usr, N_out: run.text.N_out,
    Lc: known(k.Lc), Nc: known(k.Nc), Ls: known(k.Ls), Np: known(k.Np), Lp: k.Lc === undefined ? "\u2013" : run.L - k.Lc - k.Ls, cluster: known(k.cluster),
    S: i >= 0 ? run.stages[i].n : "\u2013", columns: i >= 0 ? columnsOf(run, i) : "\u2013",
    n_avg: tenth(run.n_avg), on_image: `${Math.round(100 * row.reduce((a, b) => a + (b === b ? b : 0), 0))} %`,
    mass: bend ? `${Math.round(100 * bend.mass[Math.min(bend.kept, bend.mass.length) - 1])} %` : "\u2013",
    iou_dense: run.iou.dense === null ? "\u2013" : run.iou.dense.toFixed(2),
    d_tokens: drop(run.n_avg / run.N), d_flops: share(run.bill.this.flops, run.bill.dense?.flops), d_ms: share(run.bill.this.ms, run.bill.dense?.ms),
  };
};

const makeLessons = (host, show, moved) => {
  const articles = [...host.querySelectorAll("article")], list = host.querySelector(".l-list"), answer = host.querySelector(".l-answer");
  const lesson = { step: 1, guess: null, base: null, told: false };
  const tabs = articles.map((article, i) => {
    const button = make("button", { type: "button", text: `${i + 1} ${article.dataset.title}` });
    button.addEventListener("click", () => lesson.go(i + 1, true));
    return button;
  });
  list.append(...tabs);
  articles.forEach((article, i) => {
    const box = make("div", { class: "l-choices", role: "group", "aria-label": "Your guess" });
    STEPS[i].choices.forEach((text, choice) => {
      const button = make("button", { type: "button", text, "aria-pressed": "false" });
      button.addEventListener("click", () => {
        Object.assign(lesson, { guess: choice, base: lesson.run, told: false });
        box.querySelectorAll("button").forEach((one, k) => one.setAttribute("aria-pressed", k === choice));
        answer.textContent = "Noted. Now move the control.";
      });
      box.append(button);
    });
    article.querySelector(".l-ask").append(box);
  });
  const [back, next] = ["back", "next"].map((name) => host.querySelector(`.l-${name}`));
  back.addEventListener("click", () => lesson.go(lesson.step - 1, true));
  next.addEventListener("click", () => lesson.go(lesson.step + 1, true));

  lesson.go = (step, act) => {
    lesson.step = Math.min(Math.max(step, 1), STEPS.length);
    Object.assign(lesson, { guess: null, base: null, told: false });
    answer.textContent = "";
    articles.forEach((article, i) => (article.hidden = i + 1 !== lesson.step));
    tabs.forEach((button, i) => button.setAttribute("aria-current", i + 1 === lesson.step ? "step" : "false"));
    host.querySelectorAll("[aria-pressed]").forEach((button) => button.setAttribute("aria-pressed", "false"));
    back.disabled = lesson.step === 1;
    next.disabled = lesson.step === STEPS.length;
    host.dataset.step = lesson.step;
    if (act && lesson.run) show({ ...OUTLINES, ...STEPS[lesson.step - 1].show(lesson.run) });
    moved();
  };

  const check = (s) => {
    const { run, guess, base } = lesson, step = STEPS[lesson.step - 1];
    if (guess === null || !run || lesson.told || !step.done(run, s, base)) return;
    const [right, words] = step.tell(run, s, base);
    lesson.told = true;
    answer.textContent = `${guess === right ? "As you guessed. " : `Not \u201c${step.choices[guess]}\u201d but \u201c${step.choices[right]}\u201d. `}${words}`;
  };
  lesson.onRun = (run, s) => {
    lesson.run = run;
    const values = liveValues(run);
    for (const node of host.querySelectorAll("[data-live]")) node.textContent = values[node.dataset.live];
    check(s);
  };
  lesson.onState = check;
  return lesson;
};
