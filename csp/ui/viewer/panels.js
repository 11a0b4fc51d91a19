// The board's six panels: what the tower saw, a panel for each stage, the mask, image tokens per layer. All are drawn by the
// engine that draws one large.
const panelsOf = (run) => {
  const stages = run.stages.map((stage, i) => ({
    id: ["clustering", "scattering", "pruning"].includes(stage.name) ? stage.name : `stage-${i}`,
    stage: i,
    title: `${i + 1} ${stage.title}`,
    // a stage that has all tokens shows where its last layer looks, the others which tokens they have
    view: stage.kind === "all" ? "attention" : "state",
    layer: stage.kind === "all" ? stage.first + stage.L : stage.first + 1,
  }));
  return [
    { id: "seen", stage: -1, title: "Seen", view: "state", layer: 0 },
    ...stages,
    { id: "mask", stage: -1, title: `${stages.length + 1} Mask`, view: "picture", layer: run.L },
    { id: "steps", stage: -1, title: "Tokens a layer", view: "steps", layer: run.L },
  ];
};

const spanWords = (stage) => (stage.L === 1 ? `layer ${stage.first + 1}` : `layers ${stage.first + 1}\u2013${stage.first + stage.L}`);
const scoreWords = (run, mask = run.masks.mask, threshold = 0) => {
  const iou = (name, exact) => (run.masks[name] ? (threshold ? agreement(mask, run.masks[name]) : exact) : null);
  const words = (name, value) => (value === null ? null : `${name} ${value === "both empty" ? value : value.toFixed(2)}`);
  return [words("dense", iou("dense", run.iou.dense)), words("true", iou("truth", run.iou.truth))].filter(Boolean);
};
// IoU of two masks; two empty ones agree about nothing.
const agreement = (a, b) => iouOf(a, b, "both empty");

const captionFor = (run, panel, s, look) => {
  if (panel.id === "seen") return `${gridWords(run)} patches${cropped(run) ? ", hatched: not seen" : ""}`;
  if (panel.id === "mask") {
    const scores = scoreWords(run, s.mask, s.threshold);
    return s.mask.some(Boolean) ? (scores.length ? `IoU ${scores.join(", ")}` : "") : "empty";
  }
  if (panel.id === "steps") return `N_avg ${tenth(Math.round(10 * run.n_avg) / 10)} of ${run.N}`;
  const stage = run.stages[panel.stage];
  return panel.view === "attention" ? `${stage.n} tokens, ${spanWords(stage)}: A_SEG` : `${stage.n} of ${run.N}, ${spanWords(stage)}`;
};

// "16 x 16", or how many tiles of that.
const gridWords = (run) => {
  if (!run.views) return run.grid.join(" \u00d7 ");
  const [, , , , rows, cols] = run.views[0];
  return `${run.views.length - 1} tiles and a thumbnail of ${rows} \u00d7 ${cols}`;
};

const cropped = (run) => {
  const [H, W] = run.size, [x0, y0, x1, y1] = run.crop;
  return x0 > 1 || y0 > 1 || x1 < W - 1 || y1 < H - 1;
};

const altFor = (run, panel, caption) => {
  if (panel.id === "mask") return run.alt;
  if (panel.stage >= 0 && run.stages[panel.stage].alt) return run.stages[panel.stage].alt;
  return `${panel.title}: ${caption}`;
};

// Figures by the panels' names, made once and kept: a slider that moves only draws on them.
const makePanels = (host, strip, look, open) => {
  const panels = { list: [], shown: {} };
  const figures = new Map();
  const figure = (panel) => {
    const base = make("canvas", { "aria-hidden": "true" }), over = make("canvas", { "aria-hidden": "true", class: "p-over" });
    const button = make("button", { type: "button", class: "p-open" }), caption = make("figcaption", {}, make("b"), make("span"));
    const chart = make("div", { class: "p-chart" }), box = make("div", { class: "p-box" }, base, over, chart);
    button.append(box);
    button.addEventListener("click", () => open(panel.id));
    const node = make("figure", { "data-panel": panel.id }, caption, button);
    return { node, button, caption, chart, base, over, board: makeBoard(base, over, look) };
  };

  panels.load = (run, picture) => {
    panels.list = panelsOf(run);
    for (const panel of panels.list) {
      if (!figures.has(panel.id)) figures.set(panel.id, figure(panel));
      const made = figures.get(panel.id);
      if (panel.id !== "steps") made.board.load(run, picture);
      made.drawn = "";
    }
    for (const name of [...figures.keys()]) if (!panels.list.some((panel) => panel.id === name)) figures.delete(name);
    panels.place(panels.large);
  };
  // Where the figures stand: all on the board, or beside the one that is large.
  panels.place = (large) => {
    panels.large = large;
    const nodes = panels.list.map((panel) => figures.get(panel.id).node), home = large ? strip : host;
    if (nodes.some((node, i) => home.children[i] !== node) || home.children.length !== nodes.length) home.replaceChildren(...nodes);
    for (const panel of panels.list) figures.get(panel.id).node.dataset.large = panel.id === large ? "1" : "";
  };

  // Columns, and the side of a panel in CSS pixels, so that all fit a box; three by two at least, so that nothing jumps
  // between methods of few stages.
  panels.fit = (width, height, gap, caption) => {
    const n = Math.max(panels.list.length, 6);
    let best = { side: 0, cols: 3 };
    for (let cols = 1; cols <= n; cols++) {
      const rows = Math.ceil(n / cols), side = Math.min((width - gap * (cols - 1)) / cols, (height - gap * (rows - 1)) / rows - caption);
      if (side > best.side) best = { side: Math.floor(side), cols };
    }
    return best;
  };

  // The layer that the scrubber is at shows in the panel of its stage; the others show what they are about.
  panels.sizes = {};
  panels.draw = (run, s, usual) => {
    const here = s.scrubbed ? run.stageAt[s.layer] : -2;
    for (const panel of panels.list) {
      const side = panels.sizes[panel.id] || usual, made = figures.get(panel.id), own = panel.stage >= 0 && panel.stage === here;
      const layer = own ? s.layer : panel.layer, view = panel.view;
      const words = own && view === "attention" ? `layer ${layer} of ${run.L}: A_SEG` : captionFor(run, panel, s, look);
      const key = [side, layer, view, s.scale, s.sinks, s.cmap, s.threshold, s.dense, s.truth, s.ghost ? s.ghost.key : "", s.costs ? run.matters.stamp : "", here === panel.stage, document.documentElement.classList.contains("dark")].join();
      made.node.dataset.here = own ? "1" : "";
      if (made.drawn === key && made.run === run) continue;
      Object.assign(made, { drawn: key, run });
      made.caption.firstChild.textContent = panel.title;
      made.caption.lastChild.textContent = words;
      made.caption.title = `${panel.title}: ${words}`;
      made.button.setAttribute("aria-label", `${altFor(run, panel, words)} Enlarge.`);
      if (panel.id === "steps") {
        made.chart.replaceChildren(stepChart(run, side, look, side));
        continue;
      }
      made.board.fit(side, side);
      made.board.draw({ ...s, view, layer, head: -1, opacity: 0.85 });
      const mask = panel.id === "mask";
      made.board.drawOver({ ...s, maskView: mask ? "spot" : "off", dense: mask && s.dense, truth: mask && s.truth, ghost: mask ? s.ghost : null, costs: panel.stage >= 0 && run.stages[panel.stage].kind === "kept" ? s.costs : null, pins: [], at: -1, forced: { keep: [], drop: [] } });
    }
  };
  panels.at = (index) => panels.list[index]?.id;
  panels.get = (id) => panels.list.find((panel) => panel.id === id);
  return panels;
};
