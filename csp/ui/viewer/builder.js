// The paper's Figure 5 from runs of this visit: rows and columns are chosen, the server draws the file.
const makeBuilder = (history, does) => {
  const open = make("button", { type: "button", class: "v-builder", text: "Figure 5\u2026", title: "Rows and columns of the paper's Figure 5 from runs of this visit, as SVG, PDF or PNG" });
  // One run a picture and query, the latest; the figure is about the method of clusters and survivors.
  const rows = () => {
    const out = new Map();
    for (const entry of history.runs) if (entry.run.asked && "cluster" in entry.run.knobs && "Np" in entry.run.knobs) out.set(`${entry.run.picture} ${entry.run.query}`, entry);
    return [...out.values()];
  };
  const box = (name, value, text, on) => {
    const input = make("input", { type: "checkbox", name, value });
    input.checked = on;
    return make("label", {}, input, make("span", { text }));
  };
  const ticked = (dialog, name) => [...dialog.querySelectorAll(`input[name=${name}]:checked`)].map((input) => input.value);
  open.addEventListener("click", () => {
    const all = rows(), clusters = does.clusters(), told = make("p", { role: "status", class: "v-hint" });
    const runs = make("fieldset", { class: "b-rows" }, make("legend", { text: "Rows: runs of this visit" }), ...all.map((entry, i) => {
      const label = box("row", String(i), `#${entry.number} \u201c${entry.run.query}\u201d, ${entry.run.title}`, i >= all.length - 3);
      const small = make("canvas", { width: entry.canvas?.width || 1, height: entry.canvas?.height || 1, "aria-hidden": "true" });
      if (entry.canvas) small.getContext("2d").drawImage(entry.canvas, 0, 0);
      label.insertBefore(small, label.lastChild);
      return label;
    }));
    const counts = make("input", { type: "text", value: "4, 16, 64", "aria-label": "Survivors: numbers of tokens", inputmode: "numeric" });
    const columns = make("fieldset", {}, make("legend", { text: "Columns" }), ...clusters.map((name) => box("cluster", name, name, true)), make("label", {}, make("span", { text: "Np " }), counts), box("dense", "1", "outline of the dense mask", true));
    const width = make("select", { "aria-label": "Width" }, make("option", { value: "double", text: "double column" }), make("option", { value: "single", text: "single column" }));
    const make_ = ["svg", "pdf", "png"].map((format) => {
      const button = make("button", { type: "button", class: "v-primary", text: format.toUpperCase() });
      button.addEventListener("click", async () => {
        told.textContent = "Running what the figure needs \u2026";
        const chosen = ticked(dialog, "row").map((i) => all[+i].run.asked);
        const survivors = counts.value.split(/[\s,;]+/).filter(Boolean).map(Number);
        const data = await does.make({ rows: chosen, clusters: ticked(dialog, "cluster"), survivors, dense: ticked(dialog, "dense").length > 0, width: width.value, format });
        if (data.error) return (told.textContent = data.error);
        const bytes = Uint8Array.from(atob(data.data), (letter) => letter.charCodeAt(0));
        save(new Blob([bytes], { type: data.type }), data.type, data.name);
        told.textContent = `${data.name}, ${Math.max(1, Math.round(bytes.length / 1024))} kB`;
      });
      return button;
    });
    const close = make("button", { type: "button", text: "Close" });
    const dialog = make("dialog", { class: "v-keys b-box", "aria-label": "Figure 5" }, make("h3", { text: "Figure 5 of the paper, from your runs" }),
      all.length ? runs : make("p", { text: "No run of LVLM_CSP yet: press Run on a picture and a query first." }), columns, make("div", { class: "v-acts" }, width, ...make_, close), told);
    root.append(dialog);
    close.addEventListener("click", () => dialog.close());
    dialog.addEventListener("close", () => {
      dialog.remove();
      open.focus();
    });
    dialog.showModal();
  });
  return open;
};
