// The last twenty runs of this visit, kept in this tab alone; two of them as A and B; and what forcing a token changed.
const KEPT = 20, SAME_GESTURE = 1200; // ms: a slider being dragged is one entry, its last value

const makeHistory = (show, recall) => {
  const history = { runs: [], shown: null, pair: { A: null, B: null }, count: 0 };

  const thumbnail = (picture, run) => {
    const [h, w] = run.size, side = 56, k = side / Math.max(h, w);
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
    if (!A || !B) return make("p", { text: "Choose A and B: B then flips between them on the same layer, view and token." });
    const a = numbers(A.run), b = numbers(B.run);
    const rows = Object.keys(a).filter((name) => a[name] !== b[name]).map((name) =>
      make("tr", {}, make("th", { scope: "row", text: name }), make("td", { text: String(a[name]) }), make("td", { text: String(b[name]) })),
    );
    const same = A.run.pixels === B.run.pixels && A.run.picture === B.run.picture;
    if (same) {
      const iou = iouOf(A.run.masks.mask, B.run.masks.mask).toFixed(2);
      rows.push(make("tr", {}, make("th", { scope: "row", text: "IoU of A and B" }), make("td", { colspan: 2, text: iou })));
    }
    const head = make("tr", {}, make("td"), make("th", { scope: "col", text: "A" }), make("th", { scope: "col", text: "B" }));
    return make("table", { class: "v-diff" }, make("thead", {}, head), make("tbody", {}, ...rows));
  };

  history.draw = (host) => {
    const items = history.runs.map((entry) => {
      const { run } = entry, item = make("li", { "data-run": entry.number });
      entry.canvas = entry.canvas || thumbnail(entry.picture, run);
      entry.canvas.setAttribute("aria-hidden", "true");
      const open = make("button", { type: "button", class: "v-open", "aria-pressed": entry === history.shown, title: run.query });
      const scores = run.iou.dense === null ? "" : ` \u00b7 IoU ${run.iou.dense.toFixed(2)}`;
      open.append(entry.canvas, make("span", { text: `#${entry.number} ${run.title} \u00b7 N_avg ${tenth(run.n_avg)}${scores}` }));
      open.addEventListener("click", () => show(entry));
      item.append(open);
      for (const letter of ["A", "B"]) {
        const pick = make("button", { type: "button", text: letter, class: "v-ab", "aria-pressed": history.pair[letter] === entry, "aria-label": `Run ${entry.number} as ${letter}` });
        pick.addEventListener("click", () => {
          history.pair[letter] = history.pair[letter] === entry ? null : entry;
          history.draw(host);
        });
        item.append(pick);
      }
      if (run.link) {
        const again = make("button", { type: "button", text: "Load", class: "v-ab", "aria-label": `Set the controls to run ${entry.number}` });
        again.addEventListener("click", () => recall(run.link));
        item.append(again);
      }
      return item;
    });
    const flip = make("button", { type: "button", text: "Flip A/B", class: "v-flip", title: "B" });
    flip.disabled = !(history.pair.A && history.pair.B);
    flip.addEventListener("click", history.flip);
    const open = host.querySelector("details")?.open;
    const details = make("details", open ? { open: "" } : {}, make("summary", { text: `Runs of this visit (${history.runs.length})` }), make("ol", { class: "v-runlist" }, ...items.reverse()), flip, difference());
    host.replaceChildren(details);
  };

  // The last unforced run with the settings of a forced one.
  history.before = (run) =>
    [...history.runs].reverse().find((entry) => entry.run !== run && !changes(entry.run) && entry.run.title === run.title && entry.run.seed === run.seed && entry.run.query === run.query && entry.run.picture === run.picture);
  return history;
};

const changes = (run) => Object.values(run.forced).reduce((n, { keep, drop }) => n + keep.length + drop.length, 0);

const forcedWords = (run, before) => {
  const what = Object.entries(run.forced).map(([name, { keep, drop }]) => `${name}: ${keep.length} kept, ${drop.length} dropped by hand`).join("; ");
  if (!before) return what;
  const out = [what, `IoU with the mask before: ${iouOf(run.masks.mask, before.run.masks.mask).toFixed(2)}`];
  for (const [key, words] of [["dense", "IoU with the dense mask"], ["truth", "IoU with the true mask"]]) {
    const a = before.run.iou[key], b = run.iou[key];
    if (a !== null && b !== null) out.push(`${words}: ${a.toFixed(2)} \u2192 ${b.toFixed(2)}`);
  }
  return out.join(". ");
};
