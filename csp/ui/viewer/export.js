// The board as a file: what is on screen as PNG, and drawn again in SVG, shapes and letters.
const captionOf = (run, s) => {
  const value = s.view === "state" ? "states" : VIEWS[s.view].label;
  return `${layerWords(run, s.layer)} \u00b7 ${value} \u00b7 \u201c${run.query}\u201d \u00b7 ${run.title}, seed ${run.seed}, ${run.model}`;
};

const save = (data, type, name) => {
  const url = URL.createObjectURL(data instanceof Blob ? data : new Blob([data], { type }));
  const link = make("a", { href: url, download: name });
  element.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
};

const toPng = (board, base, over, s) => {
  const size = Math.max(13, Math.round(base.width / 46)), room = Math.round(3.6 * size);
  const out = Object.assign(document.createElement("canvas"), { width: base.width, height: base.height + room });
  const g = out.getContext("2d");
  g.fillStyle = "#fff";
  g.fillRect(0, 0, out.width, out.height);
  g.drawImage(base, 0, 0);
  g.drawImage(over, 0, 0);
  g.fillStyle = "#000";
  g.font = `${size}px system-ui, sans-serif`;
  const lines = [""];
  for (const word of captionOf(board.run, s).split(" ")) {
    const longer = `${lines[lines.length - 1]} ${word}`.trim();
    if (g.measureText(longer).width < out.width - size) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  lines.slice(0, 2).forEach((line, i) => g.fillText(line, size / 2, base.height + size * (1.3 + 1.3 * i)));
  return new Promise((done) => out.toBlob(done, "image/png"));
};

const toSvg = (board, s, look) => {
  const { run } = board, [h, w] = run.size;
  const [left, , right] = boxOf(run, 0), cw = right - left, room = 26;
  const at = (p) => {
    const [x, y, right, bottom] = boxOf(run, p);
    return { x: +x.toFixed(2), y: +y.toFixed(2), width: +(right - x).toFixed(2), height: +(bottom - y).toFixed(2) };
  };
  const out = svg("svg", { xmlns: "http://www.w3.org/2000/svg", viewBox: `0 0 ${w} ${h + room}`, width: w, height: h + room });
  out.append(svg("title", {}, captionOf(run, s)), svg("image", { href: run.picture, width: w, height: h }));
  const codes = statesAt(run, s.layer), group = (attributes) => out.appendChild(svg("g", attributes));
  if (s.view === "state") {
    for (const [code, name] of [[1, "dormant"], [4, "pruned"]]) {
      const g = group({ fill: rgb(look.states[name].veil), "fill-opacity": look.states[name].alpha });
      codes.forEach((c, p) => c === code && g.append(svg("rect", at(p))));
    }
    for (const code of [2, 0, 3]) {
      const state = look.states[STATES[code]], width = Math.max(1, cw * state.ring);
      const g = group({ fill: "none", stroke: rgb(state.color), "stroke-width": width.toFixed(2) });
      codes.forEach((c, p) => {
        if (c !== code) return;
        const box = at(p);
        g.append(svg("rect", { x: box.x + width / 2, y: box.y + width / 2, width: box.width - width, height: box.height - width }));
      });
    }
  } else {
    const { levels } = board.draw(s), values = valuesAt(run, s.view, s.layer), g = group({});
    const shown = s.view === "instances" ? values.map((v) => (v === v ? (v * 0.37) % 1 : NaN)) : levels;
    shown.forEach((level, p) => {
      if (level !== level) return;
      const i = 3 * Math.round(255 * Math.min(Math.max(level, 0), 1));
      const tip = svg("rect", { ...at(p), fill: rgb(look.heat.slice(i, i + 3)), "fill-opacity": (s.opacity * (0.3 + 0.7 * level)).toFixed(3) });
      tip.append(svg("title", {}, `${tokenName(run, p)}: ${valueWords(run, s.view, values[p])}`));
      g.append(tip);
    });
  }
  const lines = { truth: s.truth && run.masks.truth, dense: s.dense && run.masks.dense, mask: s.maskView !== "off" && s.mask };
  for (const [name, mask] of Object.entries(lines)) {
    if (!mask) continue;
    const d = contours(mask, w, h).map((line) => `M${line.join(" ")}Z`).join("");
    for (const [stroke, width] of [["#0f0f0f", 4], [rgb(look.lines[name].color), 2]])
      out.append(svg("path", { d, fill: "none", stroke, "stroke-width": width, "stroke-dasharray": look.lines[name].dash.join(" ") }));
  }
  out.append(svg("text", { x: 4, y: h + 17, "font-family": "system-ui, sans-serif", "font-size": 11 }, captionOf(run, s)));
  return new XMLSerializer().serializeToString(out);
};
