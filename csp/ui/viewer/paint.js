// The board: a canvas of tokens below, a canvas of outlines and marks above. `look` holds csp.render.palette's colours.
const rgb = (color, alpha = 1) => `rgb(${color[0]} ${color[1]} ${color[2]} / ${alpha})`;

const makeBoard = (base, over, look) => {
  const ctx = base.getContext("2d"), top = over.getContext("2d");
  const board = { run: null, k: 1, edges: [], cell: 1, picture: null };
  const canvas = (w, h) => Object.assign(document.createElement("canvas"), { width: Math.max(1, w), height: Math.max(1, h) });
  const luts = {};
  const lutOf = (name) => {
    const heat = look.heats?.[name] || look.heat;
    return (luts[name] ||= Array.from({ length: 256 }, (_, i) => rgb(heat.slice(3 * i, 3 * i + 3))));
  };
  let colour = null, grey = null, ground = "", overlay = null, lines = {};

  // The picture in grey, at its own size.
  const greyed = () => {
    const [h, w] = board.run.size, out = canvas(w, h), g = out.getContext("2d", { willReadFrequently: true });
    g.drawImage(board.picture, 0, 0, w, h);
    const image = g.getImageData(0, 0, w, h), { data } = image;
    for (let i = 0; i < data.length; i += 4) data[i] = data[i + 1] = data[i + 2] = 0.299 * data[i] + 0.587 * data[i + 1] + 0.114 * data[i + 2];
    g.putImageData(image, 0, 0);
    return out;
  };

  // Around the thumbnail there is no picture: the page shows through, and a word says what it is.
  const beside = (g, run, k, w, h) => {
    const [tall, wide] = run.pane, [x0, y0, x1, y1] = run.views[run.views.length - 1].map((edge) => edge * k);
    const empty = new Path2D();
    empty.rect(0, 0, w, h);
    empty.rect(0, 0, wide * k, tall * k);
    empty.rect(x0, y0, x1 - x0, y1 - y0);
    g.save();
    g.clip(empty, "evenodd");
    g.clearRect(0, 0, w, h);
    g.restore();
    const size = Math.max(11, Math.min(w, h) / 28);
    g.font = `${size}px system-ui, sans-serif`;
    g.fillStyle = getComputedStyle(base).color;
    g.textBaseline = "top";
    x0 < 1 ? g.fillText("thumbnail", x1 + size / 2, y0) : g.fillText("thumbnail", x0, y1 + size / 3);
  };

  // The picture in colour and in grey at the board's size, the part that the tower never saw hatched in both. Kept while
  // the picture stays: a slider that moves brings runs of the same one.
  const grounds = () => {
    const { run, k } = board, w = base.width, h = base.height;
    const key = `${w} ${h} ${run.crop} ${run.picture}`;
    if (key === ground) return;
    ground = key;
    const [x0, y0, x1, y1] = run.crop.map((edge) => edge * k);
    colour = canvas(w, h);
    grey = canvas(w, h);
    for (const [ground, picture] of [[colour, board.picture], [grey, greyed()]]) {
      const g = ground.getContext("2d");
      g.drawImage(picture, 0, 0, w, h);
      if (run.pane) beside(g, run, k, w, h);
      if (x0 < 1 && y0 < 1 && x1 > w - 1 && y1 > h - 1) continue;
      g.save();
      const outside = new Path2D();
      outside.rect(0, 0, w, h);
      outside.rect(x0, y0, x1 - x0, y1 - y0);
      g.clip(outside, "evenodd");
      g.fillStyle = rgb(look.states.unseen.veil, look.states.unseen.alpha);
      g.fillRect(0, 0, w, h);
      g.strokeStyle = "rgb(225 225 225 / 0.55)";
      g.lineWidth = Math.max(1, k * 1.2);
      g.beginPath();
      for (let at = -h; at < w; at += Math.max(7, w / 48)) {
        g.moveTo(at, h);
        g.lineTo(at + h, 0);
      }
      g.stroke();
      g.restore();
      g.strokeStyle = "#fff";
      g.setLineDash([12, 6]);
      g.strokeRect(x0 + 0.5, y0 + 0.5, x1 - x0 - 1, y1 - y0 - 1);
    }
  };

  // Fit the board into a box of CSS pixels. Returns whether anything changed.
  board.fit = (width, height) => {
    const { run } = board;
    if (!run || width < 20) return false;
    const [h, w] = run.size, ratio = Math.min(window.devicePixelRatio || 1, 2);
    const css = Math.min(width / w, height / h), k = css * ratio;
    const W = Math.round(w * k), H = Math.round(h * k);
    if (base.width === W && base.height === H && colour && board.drawn === run) return false;
    for (const one of [base, over]) {
      Object.assign(one, { width: W, height: H });
      one.style.width = `${w * css}px`;
      one.style.height = `${h * css}px`;
    }
    Object.assign(board, { k, drawn: run });
    const edges = (from, to, n) => Array.from({ length: n + 1 }, (_, i) => Math.round((from + ((to - from) * i) / n) * k));
    board.edges = viewsOf(run).map(([x0, y0, x1, y1, rows, cols]) => ({ X: edges(x0, x1, cols), Y: edges(y0, y1, rows) }));
    board.cell = Math.min(...board.edges.flatMap(({ X, Y }) => [X[1] - X[0], Y[1] - Y[0]]));
    grounds();
    return true;
  };

  const alike = (a, b) => {
    if (!a || !b || a.length !== b.length) return false;
    for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
    return true;
  };

  board.load = (run, picture) => {
    // outlines that are the same in the run before stay drawn: a slider changes neither the dense mask nor the truth
    const same = (name) => board.run?.size.join() === run.size.join() && alike(board.run[name], run[name]);
    for (const name of Object.keys(lines)) if (name === "mask" || !same(name)) delete lines[name];
    Object.assign(board, { run, picture });
    overlay = null;
    board.drawn = null;
  };

  const box = (patch) => {
    const [i, r, c] = placeOf(board.run, patch), { X, Y } = board.edges[i];
    return [X[c], Y[r], X[c + 1] - X[c], Y[r + 1] - Y[r]];
  };

  const veil = (patches, name) => {
    if (!patches.length) return;
    const state = look.states[name];
    ctx.fillStyle = rgb(state.veil, state.alpha);
    ctx.beginPath();
    for (const p of patches) ctx.rect(...box(p));
    ctx.fill();
    if (state.texture !== "dots" || board.cell < 5) return;
    const radius = Math.max(1, board.cell * 0.07);
    ctx.fillStyle = "rgb(235 235 235)";
    ctx.beginPath();
    for (const p of patches) {
      const [x, y, w, h] = box(p);
      ctx.moveTo(x + w / 2 + radius, y + h / 2);
      ctx.arc(x + w / 2, y + h / 2, radius, 0, 7);
    }
    ctx.fill();
  };

  // A ring inside each patch, edged in white so that it stands on any ground. Where most patches have one it is thin and
  // without its edge: the picture shows through.
  const rings = (g, patches, color, share) => {
    if (!patches.length) return;
    const crowded = patches.length > board.run.N / 3;
    const width = crowded ? Math.max(1, board.cell * share * 0.4) : Math.max(1.5, board.cell * share);
    for (const [style, line, inset] of [[rgb(color, crowded ? 0.6 : 1), width, width / 2], ["rgb(255 255 255 / 0.9)", 1, width + 0.5]]) {
      if (line === 1 && (crowded || width <= 2)) continue;
      g.strokeStyle = style;
      g.lineWidth = line;
      g.beginPath();
      for (const p of patches) {
        const [x, y, w, h] = box(p);
        g.rect(x + inset, y + inset, w - 2 * inset, h - 2 * inset);
      }
      g.stroke();
    }
  };

  const texts = (g, pairs, share = 0.5, least = 8) => {
    if (!pairs.length) return;
    // a number never leaves its tile
    const digits = Math.max(...pairs.map(([, text]) => String(text).length));
    const size = Math.max(least, Math.min(Math.round(board.cell * share), Math.floor((board.cell - 3) / (0.6 * digits))));
    g.font = `600 ${size}px system-ui, sans-serif`;
    g.textAlign = "center";
    g.textBaseline = "middle";
    g.lineJoin = "round";
    g.lineWidth = Math.max(2, size / 5);
    g.strokeStyle = "rgb(20 20 20)";
    g.fillStyle = "#fff";
    for (const [patch, text] of pairs) {
      const [x, y, w, h] = box(patch);
      g.strokeText(text, x + w / 2, y + h / 2);
      g.fillText(text, x + w / 2, y + h / 2);
    }
  };

  const grouped = (codes) => {
    const groups = STATES.map(() => []);
    for (let p = 0; p < codes.length; p++) if (codes[p] < ENTERED) groups[codes[p]].push(p);
    return groups;
  };

  const drawStates = (codes, layer) => {
    const { run } = board, groups = grouped(codes);
    ctx.drawImage(colour, 0, 0);
    veil(groups[1], "dormant");
    veil(groups[4], "pruned");
    const i = run.stageAt[layer];
    if (i < 0) return;
    // a merged token rings its centre alone
    const centres = new Set(run.centre.subarray(run.rows[i], run.rows[i] + run.stages[i].n));
    for (const code of [2, 0, 3]) {
      const state = look.states[STATES[code]];
      rings(ctx, groups[code].filter((p) => centres.has(p)), state.color, state.ring);
    }
    const score = run[`score.${i}`];
    if (score && run.stages[i].kind === "kept" && run.stages[i].n <= 64 && board.cell >= 13)
      texts(ctx, groups[3].filter((p) => centres.has(p) && score[p] === score[p]).map((p) => [p, String(rankIn(score, p))]));
  };

  const hues = [[0, 114, 178], [213, 94, 0], [0, 158, 115], [204, 121, 167], [230, 159, 0], [86, 180, 233], [240, 228, 66]];

  const drawInstances = (ids) => {
    ctx.drawImage(grey, 0, 0);
    const places = new Map();
    for (let p = 0; p < ids.length; p++) {
      if (ids[p] !== ids[p]) continue;
      ctx.fillStyle = rgb(hues[(ids[p] - 1) % hues.length], 0.6);
      ctx.fillRect(...box(p));
      places.set(ids[p], [...(places.get(ids[p]) || []), p]);
    }
    // the colour repeats, the number does not
    texts(ctx, [...places].map(([id, all]) => [all[all.length >> 1], String(id)]), 0.62, 9);
  };

  const drawHeat = (levels, codes, marks, opacity, cmap) => {
    const lut = lutOf(cmap);
    ctx.drawImage(grey, 0, 0);
    const groups = grouped(codes);
    for (let p = 0; p < levels.length; p++) {
      const level = levels[p];
      if (level !== level) continue;
      // weak attention lets the picture through, strong attention covers it: the eye keeps its bearings
      ctx.globalAlpha = opacity * (0.3 + 0.7 * level);
      ctx.fillStyle = lut[Math.round(255 * Math.min(Math.max(level, 0), 1))];
      ctx.fillRect(...box(p));
    }
    ctx.globalAlpha = 1;
    const bare = (p) => levels[p] !== levels[p];
    veil(groups[1].filter(bare), "dormant");
    veil(groups[4].filter(bare), "pruned");
    rings(ctx, marks, [255, 255, 255], 0.1);
    texts(ctx, marks.map((p, i) => [p, String(i + 1)]), 0.5);
  };

  // The tokens of one layer in one view. Returns what the legend needs to know.
  board.draw = (s) => {
    const { run } = board, codes = statesAt(run, s.layer);
    if (s.view === "picture") {
      ctx.drawImage(colour, 0, 0);
      return { codes };
    }
    if (s.view === "state") {
      drawStates(codes, s.layer);
      return { codes };
    }
    const values = valuesAt(run, s.view, s.layer, s.head);
    if (s.view === "instances") {
      drawInstances(values);
      return { codes, values };
    }
    const still = s.view === "cls";
    const heat = still || s.view === "attention";
    let scale;
    if (heat) scale = leveled(values, s.scale, s.view === "attention" ? s.sinks : 0);
    else {
      const high = s.view === "positions" ? run.text.N_sys + run.N - 1 : run.L;
      const low = s.view === "positions" ? run.text.N_sys : 0;
      scale = { levels: flat(values, low, high), top: high, low, beyond: [] };
    }
    drawHeat(scale.levels, still ? new Uint8Array(run.N).fill(ENTERED) : codes, heat ? largest(values, 5) : [], s.opacity, s.cmap);
    if (s.view === "positions" && board.cell >= 26)
      texts(ctx, Array.from(values, (v, p) => [p, v]).filter(([, v]) => v === v), 0.34, 9);
    return { codes, values, ...scale };
  };

  const outline = (name, mask) => {
    const [h, w] = board.run.size, path = new Path2D();
    for (const line of contours(mask, w, h)) {
      path.moveTo(line[0] * board.k, line[1] * board.k);
      for (let i = 2; i < line.length; i += 2) path.lineTo(line[i] * board.k, line[i + 1] * board.k);
      path.closePath();
    }
    return path;
  };

  // Mask pixels as a picture: filled, or where it differs from the dense mask.
  const pixels = (s) => {
    const { run } = board, [h, w] = run.size, out = canvas(w, h), g = out.getContext("2d");
    const image = g.createImageData(w, h), ours = s.mask, theirs = run.masks.dense;
    // a pixel is one number: this is most of what drawing a run costs
    const words = new Uint32Array(image.data.buffer), bytes = new Uint8ClampedArray(4), one = new Uint32Array(bytes.buffer);
    const tone = (color, alpha) => (bytes.set([...color, 255 * alpha]), one[0]);
    const [own, other] = [look.lines.mask.color, look.lines.dense.color];
    const [tall, wide] = run.pane || run.size;
    const spot = s.maskView === "spot", simple = spot || s.maskView === "fill";
    const inside = spot ? 0 : tone(own, look.mask_alpha), outside = spot ? tone([24, 28, 36], 0.62) : tone([0, 0, 0], 0.35);
    const [both, mine, dark, light, none] = [tone([255, 255, 255], 0.5), tone(own, 0.9), tone(other, 1), tone(other, 0.55), tone([0, 0, 0], 0.5)];
    for (let y = 0; y < tall; y++)
      for (let x = 0, i = y * w; x < wide; x++, i++) {
        // a thumbnail beside the picture has no mask
        if (simple) words[i] = ours[i] ? inside : outside;
        else if (ours[i]) words[i] = theirs[i] ? both : mine;
        else words[i] = !theirs[i] ? none : (x + y) % 9 < 3 ? dark : light;
      }
    g.putImageData(image, 0, 0);
    return out;
  };

  // Outlines and marks. `s.mask` is the mask at the threshold in force; `s.maskTurn` changes when it does.
  board.drawOver = (s) => {
    const { run, k } = board;
    top.clearRect(0, 0, over.width, over.height);
    top.lineJoin = "round";
    const difference = s.maskView === "difference" && run.masks.dense;
    if (["fill", "spot"].includes(s.maskView) || difference) {
      const key = `${s.maskTurn} ${s.maskView}`;
      if (!overlay || overlay.key !== key) overlay = { key, image: pixels(s) };
      top.imageSmoothingEnabled = false;
      top.drawImage(overlay.image, 0, 0, over.width, over.height);
    }
    // broken lines lie over the whole one: where outlines agree, each still shows
    const shown = { mask: s.maskView !== "off" && !difference, dense: s.dense, truth: s.truth, ghost: !!s.ghost };
    for (const [name, wanted] of Object.entries(shown)) {
      const mask = name === "mask" ? s.mask : name === "ghost" ? s.ghost?.mask : run.masks[name];
      if (!wanted || !mask || mask.length !== run.pixels) continue;
      const key = name === "mask" ? `mask ${s.maskTurn} ${k}` : name === "ghost" ? `${s.ghost.key} ${k}` : `${name} ${k}`;
      if (lines[name]?.key !== key) lines[name] = { key, path: outline(name, mask) };
      const width = Math.max(1.5, Math.max(over.width, over.height) / 260), line = look.lines[name];
      top.setLineDash(line.dash.map((d) => (d * width) / 2));
      top.strokeStyle = "rgb(15 15 15)";
      top.lineWidth = width + 2;
      top.stroke(lines[name].path);
      top.strokeStyle = rgb(line.color);
      top.lineWidth = width;
      top.stroke(lines[name].path);
      top.setLineDash([]);
    }
    // what leaving a token out costs, as its colour; those that are enough by themselves are ringed
    if (s.costs) {
      const most = Math.max(0.05, ...s.costs.values()), lut = lutOf("magma");
      for (const [p, cost] of s.costs) {
        top.globalAlpha = 0.85;
        top.fillStyle = lut[Math.round(40 + 215 * Math.min(1, Math.max(0, cost / most)))];
        top.fillRect(...box(p));
      }
      top.globalAlpha = 1;
      rings(top, s.enough || [], [255, 255, 255], 0.14);
      texts(top, [...s.costs].filter(([, cost]) => cost >= 0.005).map(([p, cost]) => [p, cost.toFixed(2).replace("0.", ".")]), 0.45);
    }
    const marks = [...s.forced.keep.map((p) => [p, "+"]), ...s.forced.drop.map((p) => [p, "\u00d7"])];
    rings(top, marks.map(([p]) => p), [170, 0, 120], 0.12);
    texts(top, marks, 0.8, 11);
    // what a symbol of the lecture stands for
    if (s.lit?.length) {
      rings(top, s.lit, [0, 0, 0], 0.22);
      rings(top, s.lit, [255, 214, 0], 0.14);
    }
    s.pins.forEach((p, i) => {
      rings(top, [p], [0, 0, 0], 0.16);
      rings(top, [p], look.pins[i % look.pins.length], 0.1);
    });
    if (s.at >= 0) {
      const [x, y, w, h] = box(s.at);
      for (const [style, width] of [["#000", 5], ["#fff", 2.5]]) {
        top.strokeStyle = style;
        top.lineWidth = width;
        top.strokeRect(x - 1, y - 1, w + 2, h + 2);
      }
    }
  };

  // The patch under a point in CSS pixels of the canvas, -1 outside the crop.
  board.patchAt = (x, y) => {
    const ratio = base.width / base.getBoundingClientRect().width;
    const within = (edges, at) => edges.findIndex((edge, i) => at * ratio >= edge && at * ratio < edges[i + 1]);
    let first = 0;
    for (const { X, Y } of board.edges) {
      const c = within(X, x), r = within(Y, y);
      if (r >= 0 && c >= 0) return first + r * (X.length - 1) + c;
      first += (X.length - 1) * (Y.length - 1);
    }
    return -1;
  };

  board.box = box;
  return board;
};
