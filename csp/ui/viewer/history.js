// The last twenty runs of this visit, kept in this tab alone; two of them as A and B; and what forcing a token changed.
const KEPT = 20, SAME_GESTURE = 1200; // ms: a slider that is moved on and on is one entry, its last value

const makeHistory = (show, recall) => {
  const history = { runs: [], shown: null, pair: { A: null, B: null }, count: 0 };

  const thumbnail = (picture, run) => {
    const [h, w] = run.size, side = 88, k = side / Math.max(h, w);
    const canvas = Object.assign(document.createElement("canvas"), { width: Math.round(w * k), height: Math.round(h * k) });
    const g = canvas.getContext("2d");
    g.drawImage(picture, 0, 0, canvas.width, canvas.height);
    g.fillStyle = "rgb(0 158 115 / 0.75)";
    for (let y = 0; y < canvas.height; y += 1)
      for (let x = 0; x < canvas.width; x += 1)
        if (run.masks.mask[Math.min(h - 1, Math.floor(y / k)) * w + Math.min(w - 1, Math.floor(x / k))]) g.fillRect(x, y, 1, 1);
    return canvas;
  };

  history.add = (run, picture) => {
    const last = history.runs[history.runs.length - 1];
    const held = (entry) => entry === history.pair.A || entry === history.pair.B;
    const entry = { run, picture, came: performance.now(), number: ++history.count };
    const same = last && last.run.query === run.query && last.run.picture === run.picture && !held(last);
    if (same && !changes(run) && !changes(last.run) && entry.came - last.came < SAME_GESTURE) history.runs.pop();
    history.runs.push(entry);
    while (history.runs.length > KEPT) history.runs.splice(history.runs.findIndex((one) => !held(one)), 1);
    history.shown = entry;
  };

  history.flip = () => {
    const { A, B } = history.pair;
    if (A && B) show(history.shown === A ? B : A);
  };

  const numbers = (run) => ({
    method: run.title,
    seed: run.seed,
    query: run.query,
    "N_avg": tenth(run.n_avg),
    "FLOPs": run.bill.this.flops.toPrecision(3),
    "ms": run.bill.this.ms.toFixed(1),
    "IoU dense": run.iou.dense === null ? "" : run.iou.dense.toFixed(2),
    "IoU true": run.iou.truth === null ? "" : run.iou.truth.toFixed(2),
    forced: Object.entries(run.forced).map(([name, { keep, drop }]) => `${name} +${keep.length} \u2212${drop.length}`).join(", "),
  });

  const difference = () => {
    const { A, B } = history.pair;
    const a = numbers(A.run), b = numbers(B.run);
    const rows = Object.keys(a).filter((name) => a[name] !== b[name]).map((name) =>
      make("tr", {}, make("th", { scope: "row", text: name }), make("td", { text: String(a[name]) }), make("td", { text: String(b[name]) })),
    );
    const same = A.run.pixels === B.run.pixels && A.run.picture === B.run.picture;
    if (same) {
      const iou = agreement(A.run.masks.mask, B.run.masks.mask);
      rows.push(make("tr", {}, make("th", { scope: "row", text: "IoU of A and B" }), make("td", { colspan: 2, text: typeof iou === "number" ? iou.toFixed(2) : iou })));
    }
    const head = make("tr", {}, make("td"), make("th", { scope: "col", text: "A" }), make("th", { scope: "col", text: "B" }));
    return make("table", { class: "v-diff" }, make("thead", {}, head), make("tbody", {}, ...rows));
  };

  // What sets one run apart from another, in few words: "Nc 64 \u2192 16".
  const apart = (a, b) => {
    if (a.query !== b.query || a.picture !== b.picture) return a.picture !== b.picture ? "another picture" : "another query";
    if (a.method !== b.method) return `${a.method} \u2192 ${b.method}`;
    const out = Object.keys(b.knobs).filter((name) => String(a.knobs[name]) !== String(b.knobs[name])).map((name) => `${name} ${a.knobs[name]} \u2192 ${b.knobs[name]}`);
    if (a.seed !== b.seed) out.push(`seed ${a.seed} \u2192 ${b.seed}`);
    if (changes(a) !== changes(b)) out.push(changes(b) ? "tokens forced" : "no token forced");
    return out.join(", ") || "the same again";
  };
  const stepWords = (a, b) => {
    const [from, to] = [a, b].map((run) => (run.masks.dense ? agreement(run.masks.mask, run.masks.dense) : null));
    const iou = typeof from === "number" && typeof to === "number" ? `: IoU ${from.toFixed(2)} \u2192 ${to.toFixed(2)}` : "";
    return `${apart(a, b)}${iou}`;
  };
  history.apart = apart;

  // Pixels that only one of two masks has: A's own, B's own, shared in white.
  const differing = (A, B) => {
    const [h, w] = A.run.size, canvas = Object.assign(document.createElement("canvas"), { width: w, height: h }), g = canvas.getContext("2d");
    g.drawImage(A.picture, 0, 0, w, h);
    const image = g.getImageData(0, 0, w, h), { data } = image, a = A.run.masks.mask, b = B.run.masks.mask;
    for (let i = 0; i < a.length; i++) {
      const color = a[i] && b[i] ? [255, 255, 255] : a[i] ? look.lines.mask.color : b[i] ? look.lines.dense.color : null;
      for (let k = 0; k < 3; k++) data[4 * i + k] = color ? color[k] : data[4 * i + k] * 0.45;
    }
    g.putImageData(image, 0, 0);
    return canvas;
  };

  history.draw = (host) => {
    const items = history.runs.map((entry, i) => {
      const { run } = entry, item = make("li", { "data-run": entry.number }), before = history.runs[i - 1];
      entry.canvas = entry.canvas || thumbnail(entry.picture, run);
      entry.canvas.setAttribute("aria-hidden", "true");
      const scores = run.iou.dense === null ? "" : `, IoU ${run.iou.dense.toFixed(2)}`;
      const step = before ? apart(before.run, run) : "first";
      const words = `#${entry.number} ${run.title}, N_avg ${tenth(Math.round(10 * run.n_avg) / 10)}${scores}, \u201c${run.query}\u201d`;
      const open = make("button", { type: "button", class: "v-open", "aria-pressed": entry === history.shown, title: words, "aria-label": `Run ${entry.number}: ${words}; ${step}` });
      open.append(entry.canvas, make("small", { text: step }));
      open.addEventListener("click", () => show(entry));
      item.append(open);
      const acts = make("span", { class: "v-abs" });
      for (const letter of ["A", "B"]) {
        const pick = make("button", { type: "button", text: letter, class: "v-ab", "aria-pressed": history.pair[letter] === entry, "aria-label": `Run ${entry.number} as ${letter}` });
        pick.addEventListener("click", () => {
          history.pair[letter] = history.pair[letter] === entry ? null : entry;
          history.draw(host);
        });
        acts.append(pick);
      }
      if (run.asked) {
        const again = make("button", { type: "button", text: "\u21ba", class: "v-ab", title: "Set the controls to this run", "aria-label": `Set the controls to run ${entry.number}` });
        again.addEventListener("click", () => recall(entry));
        acts.append(again);
      }
      item.append(acts);
      return item;
    });
    const { A, B } = history.pair, at = history.runs.indexOf(history.shown), before = history.runs[at - 1];
    const nodes = [make("h3", { text: `Runs (${history.runs.length})` }), make("ol", { class: "v-runlist" }, ...items.reverse())];
    if (before) nodes.splice(1, 0, make("p", { class: "v-step", text: stepWords(before.run, history.shown.run) }));
    if (A && B) {
      const flip = make("button", { type: "button", text: "Flip A/B", class: "v-flip", title: "B" });
      flip.addEventListener("click", history.flip);
      nodes.push(flip, difference());
      if (A.run.pixels === B.run.pixels && A.run.picture === B.run.picture) {
        const image = differing(A, B);
        image.setAttribute("role", "img");
        image.setAttribute("aria-label", "Where the masks of A and B differ: white both, the colour of the mask only A, of the dense outline only B");
        nodes.push(image);
      }
    } else if (history.runs.length > 1) nodes.push(make("p", { class: "v-hint", text: "A and B on two runs: B flips between them." }));
    host.replaceChildren(...nodes, ...(history.more ? [history.more] : []));
  };

  // The last unforced run with the settings of a forced one.
  history.before = (run) =>
    [...history.runs].reverse().find((entry) => entry.run !== run && !changes(entry.run) && entry.run.title === run.title && entry.run.seed === run.seed && entry.run.query === run.query && entry.run.picture === run.picture);
  return history;
};

const changes = (run) => Object.values(run.forced).reduce((n, { keep, drop }) => n + keep.length + drop.length, 0);
