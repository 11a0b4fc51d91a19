const root = element.querySelector(".csp-results");
const part = (name) => root.querySelector(".csp-" + name);
let runs = 0;

const bill = (data) => {
  const head = make(
    "tr",
    {},
    make("th", { scope: "col", text: "The bill" }),
    make("th", { scope: "col", text: "this run" }),
    make("th", { scope: "col", text: "dense" }),
    make("th", { scope: "col", text: "change" }),
  );
  const rows = data.bill.map((row) => {
    const bar = make("span", { class: "csp-bar", "aria-hidden": "true" });
    bar.style.setProperty("--share", Math.min(1, row.share));
    return make(
      "tr",
      { "data-bill": row.name },
      make("th", { scope: "row" }, make("span", { text: row.name }), make("small", { text: row.help }), bar),
      make("td", { text: row.ours }),
      make("td", { text: row.dense || "\u2013" }),
      make("td", { class: "csp-change", text: row.change || "\u2013" }),
    );
  });
  const scores = data.scores.map((score) =>
    make(
      "tr",
      { "data-score": score.name },
      make("th", { scope: "row" }, make("span", { text: score.name }), make("small", { text: score.help })),
      make("td", { colspan: "3", class: "csp-score", text: score.value }),
    ),
  );
  return make("table", {}, make("thead", {}, head), make("tbody", {}, ...rows, ...scores));
};

const steps = (data) => {
  const { N, L, n_avg, stages, alt } = data.steps;
  const width = 400, height = 330, left = 40, bottom = 40, top = 30;
  const x = (layer) => left + ((width - left - 8) * layer) / L;
  const y = (n) => height - bottom - ((height - bottom - top) * n) / N;
  const chart = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": alt });
  for (const tick of [0, N / 2, N]) {
    chart.append(svg("line", { x1: left, x2: width - 8, y1: y(tick), y2: y(tick), class: "csp-grid" }));
    chart.append(svg("text", { x: left - 6, y: y(tick) + 4, "text-anchor": "end" }, Math.round(tick)));
  }
  for (const stage of stages) {
    const x0 = x(stage.first), x1 = x(stage.first + stage.L);
    chart.append(svg("rect", { x: x0, y: y(stage.n), width: x1 - x0, height: y(0) - y(stage.n), fill: stage.color, class: "csp-step" }));
    chart.append(svg("text", { x: (x0 + x1) / 2, y: y(stage.n) - 5, "text-anchor": "middle", class: "csp-count" }, stage.n));
    chart.append(svg("text", { x: x1, y: height - bottom + 17, "text-anchor": "middle" }, stage.first + stage.L));
  }
  chart.append(svg("text", { x: left, y: height - bottom + 17, "text-anchor": "middle" }, 0));
  chart.append(svg("line", { x1: left, x2: width - 8, y1: y(n_avg), y2: y(n_avg), class: "csp-mean" }));
  chart.append(svg("text", { x: width - 10, y: y(n_avg) - 5, "text-anchor": "end", class: "csp-meanlabel" }, "N_avg " + n_avg.toFixed(1)));
  chart.append(svg("text", { x: (left + width) / 2, y: height - 4, "text-anchor": "middle" }, "decoder layer"));
  const caption = make("figcaption", {}, make("b", { text: "Image tokens per layer" }), make("span", { text: "area: what the layers work through" }));
  return make("figure", { class: "csp-steps", "data-panel": "steps" }, caption, chart);
};

const legend = (entries) =>
  (entries || []).map((entry) => {
    const swatch = make("span", { class: "csp-swatch csp-" + entry.look, "aria-hidden": "true" });
    swatch.style.setProperty("--tone", entry.color);
    return make("li", {}, swatch, make("span", { text: entry.label }));
  });

const layers = (data) => {
  const maps = data.layers.maps.map((map) =>
    make("figure", {}, make("img", { src: map.src, alt: map.alt }), make("figcaption", { text: map.label })),
  );
  return [make("h3", { text: data.layers.title }), make("div", { class: "csp-maps", tabindex: "0", role: "group", "aria-label": data.layers.title }, ...maps)];
};

const draw = async () => {
  const arrived = performance.now();
  const data = read();
  const turn = ++runs;
  if (data.error) {
    part("alert").textContent = data.error;
    part("status").textContent = "Not run";
    root.dataset.state = "error";
  } else if (data.panels) {
    await ready(data.panels.map((panel) => panel.src));
    if (turn !== runs) return;
    part("alert").textContent = "";
    part("panels").replaceChildren(...data.panels.map(figure), steps(data));
    part("legend").replaceChildren(...legend(data.legend));
    part("notes").replaceChildren(...data.notes.map((note) => make("p", { text: note })));
    part("bill").replaceChildren(bill(data));
    part("layers").replaceChildren(...layers(data));
    part("status").textContent = data.status;
    root.dataset.state = "done";
  } else {
    part("status").textContent = data.status || "Choose a picture and a query.";
    root.dataset.state = "empty";
  }
  root.removeAttribute("data-stale");
  root.dataset.server = JSON.stringify(data.server || {});
  root.dataset.arrived = (performance.timeOrigin + arrived).toFixed(1);
  requestAnimationFrame(() =>
    requestAnimationFrame(() => {
      root.dataset.painted = (performance.timeOrigin + performance.now()).toFixed(1);
      root.dataset.run = runs;
    }),
  );
};
watch("value", draw);
draw();
