// One query under many seeds: a row a setting with a dot a seed, the mean and its interval; below, the masks of the row looked at.
const makeSeeds = (host, begin, open, say) => {
  const rows = begin.rows.map((label) => ({ label, seeds: [], told: null }));
  const [h, w] = begin.size, key = begin.truth ? "iou_truth" : "iou_dense";
  const picture = new Image();
  picture.src = begin.ground.picture;
  const ready = picture.decode().catch(() => {});
  let at = 0, drawing = 0;
  const chart = make("div", { class: "s-chart" }), strip = make("div", { class: "s-strip", role: "list", "aria-label": "Masks" }), head = make("h3");
  host.replaceChildren(chart, head, strip);
  const seeds = {};

  seeds.take = (data) => {
    if (data.seed) rows[data.seed.row].seeds.push({ ...data.seed, bits: null });
    else if (data.row) rows[data.row.row].told = data.row;
  };
  const choose = (i) => {
    at = i;
    seeds.draw();
  };
  const toBoard = (row, seed) => open({ method: seed.method, knobs: { ...seed.knobs }, seed: seed.seed, label: row.label });
  const interval = (row) => {
    const { told } = row;
    if (!told) return `${row.seeds.length} seeds so far`;
    if (told.reason) return told.reason;
    if (told.lots === false) return `seeds 0 and 1 take the same tokens: ${told.value.toFixed(2)}`;
    return `mean ${told.value.toFixed(2)} [${told.low.toFixed(2)}, ${told.high.toFixed(2)}], single seeds ${told.least.toFixed(2)} to ${told.most.toFixed(2)}`;
  };
  const lines = () => {
    const width = Math.max(300, host.clientWidth), left = 150, line = 46, height = rows.length * line + 34;
    const scores = rows.flatMap((row) => row.seeds.map((seed) => seed[key]));
    const low = Math.max(0, Math.floor(10 * Math.min(0.9, ...scores) - 0.2) / 10), high = Math.min(1, Math.ceil(10 * Math.max(0.1, ...scores) + 0.2) / 10);
    const x = (value) => left + ((width - left - 20) * (value - low)) / (high - low);
    const art = svg("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "group", "aria-label": `IoU with the ${begin.truth ? "true" : "dense"} mask, a dot a seed` });
    for (let tick = Math.round(10 * low); tick <= Math.round(10 * high); tick++) {
      art.append(svg("line", { x1: x(tick / 10), x2: x(tick / 10), y1: 0, y2: rows.length * line, class: "csp-grid" }));
      art.append(svg("text", { x: x(tick / 10), y: rows.length * line + 15, "text-anchor": "middle" }, (tick / 10).toFixed(1)));
    }
    art.append(svg("text", { x: (left + width) / 2, y: height - 3, "text-anchor": "middle", class: "csp-axis" }, `IoU with the ${begin.truth ? "true" : "dense"} mask`));
    rows.forEach((row, i) => {
      const y = i * line + 16;
      const name = svg("text", { x: 4, y: y + 4, class: i === at ? "csp-axis" : "" }, row.label);
      art.append(name, svg("text", { x: left, y: y + 24, class: "s-words" }, interval(row)));
      const { told } = row;
      if (told && told.value !== undefined && told.lots !== false) {
        art.append(svg("line", { x1: x(told.low), x2: x(told.high), y1: y, y2: y, class: "s-interval" }));
        art.append(svg("line", { x1: x(told.value), x2: x(told.value), y1: y - 9, y2: y + 9, class: "s-mean" }));
      }
      for (const seed of row.seeds) {
        const dot = svg("circle", { cx: x(seed[key]), cy: y, r: 5, class: "s-dot", "data-seed": seed.seed });
        dot.append(svg("title", {}, `${row.label}, seed ${seed.seed}: IoU ${seed[key].toFixed(2)}`));
        dot.addEventListener("click", () => toBoard(row, seed));
        art.append(dot);
      }
    });
    const picks = rows.map((row, i) => {
      const button = make("button", { type: "button", "aria-pressed": String(i === at), text: `Masks of ${row.label}` });
      button.addEventListener("click", () => choose(i));
      return button;
    });
    chart.replaceChildren(art, make("div", { class: "csp-keys s-picks" }, ...picks));
  };
  const bitsOf = async (seed) => (seed.bits ||= bitmap(await inflate(seed.mask), h * w));
  const paint = (canvas, shares) => {
    Object.assign(canvas, { width: w, height: h });
    const g = canvas.getContext("2d");
    g.drawImage(picture, 0, 0, w, h);
    const image = g.getImageData(0, 0, w, h), { data } = image;
    for (let p = 0; p < h * w; p++) {
      const share = shares[p], grey = 0.3 * data[4 * p] + 0.55 * data[4 * p + 1] + 0.15 * data[4 * p + 2];
      [0, 158, 115].forEach((tone, c) => (data[4 * p + c] = 0.45 * grey * (1 - share) + share * (0.35 * data[4 * p + c] + 0.65 * tone)));
    }
    g.putImageData(image, 0, 0);
  };
  const masks = async () => {
    const mine = ++drawing, row = rows[at];
    head.textContent = row.told && row.told.lots === false ? `${row.label}: ${interval(row)}` : `${row.label}: how often each pixel was in the mask, then seed by seed`;
    const all = await Promise.all(row.seeds.map(bitsOf));
    await ready;
    if (mine !== drawing) return;
    const often = new Float32Array(h * w);
    for (const one of all) for (let p = 0; p < often.length; p++) often[p] += one[p] / all.length;
    const sum = make("canvas", { role: "img", "aria-label": `Share of seeds whose mask has a pixel, ${row.label}` });
    paint(sum, often);
    const tiles = row.seeds.map((seed, i) => {
      const canvas = make("canvas", { "aria-hidden": "true" });
      paint(canvas, all[i]);
      const button = make("button", { type: "button", class: "s-open", "aria-label": `Open seed ${seed.seed} on the board, IoU ${seed[key].toFixed(2)}` }, canvas, make("small", { text: `seed ${seed.seed} \u00b7 ${seed.area ? seed[key].toFixed(2) : "empty"}` }));
      button.addEventListener("click", () => toBoard(row, seed));
      button.addEventListener("focus", () => say(`${row.label}, seed ${seed.seed}: IoU dense ${seed.iou_dense.toFixed(2)}`));
      return make("div", { role: "listitem" }, button);
    });
    strip.replaceChildren(make("div", { role: "listitem", class: "s-sum" }, sum, make("small", { text: `all ${all.length}` })), ...tiles);
  };
  seeds.draw = () => {
    lines();
    masks();
  };
  return seeds;
};
