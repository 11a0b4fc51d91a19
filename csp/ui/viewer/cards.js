// Beside the board: cards of tokens, [SEG]'s attention to the words, the legend, the table.
const fact = (list, name) => {
  const value = make("dd");
  list.append(make("dt", { text: name }), value);
  return (text) => {
    if (value.textContent !== text) value.textContent = text;
    value.hidden = value.previousSibling.hidden = !text;
  };
};

const tokenName = (run, patch) => {
  const [i, r, c] = placeOf(run, patch), of = viewName(run, i);
  return `row ${r + 1}, column ${c + 1}${of && ` of ${of === "thumbnail" ? "the thumbnail" : of}`}`;
};

const way = (run, patch, look) =>
  journey(run, patch)
    .map(({ span, state, into, age }) => {
      const words = look.states[state].label.split(":")[0];
      const merged = into >= 0 ? `, merged into ${tokenName(run, into)}` : "";
      const old = age === age && state !== "pruned" ? `, ${age} layers old on entry` : "";
      return `${span}: ${words}${merged}${old}`;
    })
    .join("\n");

// One token: what never changes at once, `update` for what depends on the layer.
const makeCard = (run, patch, color, look, act) => {
  const list = make("dl");
  const card = make("article", { class: "v-card", "data-patch": patch, "aria-label": `Token at ${tokenName(run, patch)}` });
  const swatch = make("span", { class: "v-pin", "aria-hidden": "true" });
  if (color) swatch.style.background = rgb(color);
  const pin = make("button", { type: "button", "data-act": "pin" });
  const keep = make("button", { type: "button", "data-act": "keep", text: "Keep", title: "K" });
  const drop = make("button", { type: "button", "data-act": "drop", text: "Drop", title: "X" });
  for (const button of [pin, keep, drop]) button.addEventListener("click", () => act(button.dataset.act, patch));
  card.append(make("h4", {}, swatch, make("span", { text: tokenName(run, patch) })), list, make("div", { class: "v-acts" }, pin, keep, drop));
  const set = {};
  for (const name of ["token", "now", "A_SEG", "rank", "ranking", "CLS", "instance", "compute", "way"]) set[name] = fact(list, name);
  const width = 232, height = 44, top = sparkTop(run, [patch]);
  const spark = svg("svg", { width, height, viewBox: `0 0 ${width} ${height}`, class: "v-spark", role: "img", "aria-label": `Attention over layers, at most ${percent(top)}` });
  const now = svg("line", { y1: 0, y2: height, class: "v-now" });
  spark.append(svg("path", { d: sparkPath(run, patch, width, height, top), class: "v-line" }), now);
  card.append(spark);
  set.way(way(run, patch, look));
  set.instance(run.instance ? (run.instance[patch] ? String(run.instance[patch]) : "none") : "");
  set.CLS(run.cls ? `${percent(run.cls[patch])}, rank ${rankIn(run.cls, patch)}` : "");
  const ranked = run.stages.map((stage, i) => [stage, run[`score.${i}`]]).filter(([, score]) => score && score[patch] === score[patch]);
  set.ranking(ranked.map(([stage, score]) => `${rankIn(score, patch)} of ${largest(score, run.N).length} by ${stage.score}, entering ${stage.title}`).join("\n"));
  const update = (s) => {
    const id = positionsAt(run, s.layer)[patch], values = run.attention[s.layer];
    set.token(`${patch}, slot ${run.text.N_sys + patch}${id === id ? `, position ${id}` : ", not in the sequence"}`);
    const code = statesAt(run, s.layer)[patch];
    set.now(code === ENTERED ? "enters" : look.states[STATES[code]].label);
    set.A_SEG(s.layer ? percent(values[patch]) : "no layer has run");
    const rank = rankIn(values, patch);
    set.rank(rank ? `${rank} of ${run.stages[run.stageAt[s.layer]].n} in this layer` : "");
    set.compute(`${plainNumber(computeAt(run, s.layer)[patch])} of ${s.layer} layers so far`);
    const x = (s.layer / run.L) * width;
    now.setAttribute("x1", x);
    now.setAttribute("x2", x);
    const pinned = s.pins.includes(patch), orders = s.orders();
    pin.textContent = pinned ? "Unpin" : "Pin";
    keep.setAttribute("aria-pressed", orders.keep.has(patch));
    drop.setAttribute("aria-pressed", orders.drop.has(patch));
  };
  return { node: card, patch, color, update };
};

// [SEG]'s row over the words of the query and the template around them.
const makeWords = (run) => {
  const n = run.text.N_usr, names = run.words.length === n ? run.words : Array.from({ length: n }, (_, i) => `word ${i + 1}`);
  const items = names.map((word) => make("li", {}, make("span", { text: word || "\u00b7" }), make("small")));
  const sum = make("p");
  const node = make("div", {}, make("h3", { text: "[SEG] to the words" }), make("ul", { class: "v-wordlist" }, ...items), sum);
  const update = (s) => {
    if (!s.layer) {
      sum.textContent = "No layer has run yet.";
      for (const item of items) {
        item.style.setProperty("--share", 0);
        item.lastChild.textContent = "";
      }
      return;
    }
    const row = run.A_text.subarray((s.layer - 1) * n, s.layer * n), top = Math.max(...row) || 1;
    items.forEach((item, i) => {
      item.style.setProperty("--share", (row[i] / top).toFixed(3));
      // the bar tells how much; a number only where it says something
      item.lastChild.textContent = row[i] >= 0.001 ? percent(row[i]) : "";
      item.title = `${percent(row[i])} of [SEG]'s attention`;
    });
    const words = row.reduce((a, b) => a + b, 0);
    const image = run.attention[s.layer].reduce((a, b) => a + (b === b ? b : 0), 0);
    sum.textContent = `image ${Math.round(100 * image)} %, words ${Math.round(100 * words)} %, the rest of the prompt ${Math.max(0, Math.round(100 * (1 - image - words)))} %`;
  };
  return { node, update };
};

const swatchOf = (state) => {
  const kinds = { dots: "v-dots", hatch: "v-hatch" };
  const node = make("span", { class: `v-swatch ${state.ring ? "v-ring" : kinds[state.texture] || "v-dark"}`, "aria-hidden": "true" });
  node.style.setProperty("--tone", rgb(state.color));
  return node;
};

// States that this layer has, with counts; outlines that are on; then what the tower never saw.
const legendItems = (run, s, codes, look) => {
  const counts = STATES.map((_, code) => codes.reduce((sum, c) => sum + (c === code), 0));
  const items = STATES.flatMap((name, code) => (counts[code] ? [make("li", {}, swatchOf(look.states[name]), make("span", { text: `${look.states[name].label}: ${counts[code]}` }))] : []));
  const [H, W] = run.size, [x0, y0, x1, y1] = run.crop;
  if (x0 > 1 || y0 > 1 || x1 < W - 1 || y1 < H - 1) items.push(make("li", {}, swatchOf(look.states.unseen), make("span", { text: look.states.unseen.label })));
  return [...items, ...lineItems(run, s, look)];
};

const lineItems = (run, s, look) => {
  const on = { mask: s.maskView !== "off", dense: s.dense && run.masks.dense, truth: s.truth && run.masks.truth, ghost: s.ghost };
  return Object.entries(on).filter(([, shown]) => shown).map(([name]) => {
    const line = make("span", { class: `v-swatch v-${name}-line`, "aria-hidden": "true" });
    line.style.setProperty("--tone", rgb(look.lines[name].color));
    return make("li", {}, line, make("span", { text: name === "ghost" ? s.ghost.label : look.lines[name].label }));
  });
};

// Everything on the board as text: tokens that take part in the layer, by attention.
const tokenTable = (run, s, look) => {
  const values = s.layer ? run.attention[s.layer] : valuesAt(run, "positions", 0);
  const order = s.layer ? largest(values, run.N) : Array.from(values, (_, p) => p);
  const heads = ["token", ...(run.views ? ["view"] : []), "row", "column", "position", "state", "A_SEG", "age"];
  const ids = positionsAt(run, s.layer), codes = statesAt(run, s.layer), age = agesAt(run, s.layer);
  const rows = order.map((p) => {
    const [i, r, c] = placeOf(run, p), state = codes[p] === ENTERED ? "enters" : look.states[STATES[codes[p]]].label;
    const cells = [...(run.views ? [viewName(run, i)] : []), r + 1, c + 1, ids[p], state, s.layer ? percent(values[p]) : "", age[p]];
    return make("tr", {}, make("th", { scope: "row", text: p }), ...cells.map((text) => make("td", { text: String(text) })));
  });
  const head = make("tr", {}, ...heads.map((text) => make("th", { scope: "col", text })));
  return make("table", {}, make("caption", { text: `${layerWords(run, s.layer)}, by attention` }), make("thead", {}, head), make("tbody", {}, ...rows));
};
