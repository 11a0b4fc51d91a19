// L cells by stage. For the method of three stages two handles: where clustering ends and where scattering ends; what is left
// is pruning, so Lc + Ls + Lp = L. Other methods' plans are only shown.
const makeStageBar = (host, look, commit, during = () => {}) => {
  const bar = { L: 1, N: 1, Lc: 0, Ls: 0, Nc: 1, Np: 1, dragging: null, free: true };
  const names = ["clustering", "scattering", "pruning"], symbols = ["Lc", "Ls", "Lp"];
  const parts = names.map((name) => {
    const node = make("span", { class: "v-part" });
    node.style.background = look.stages[name];
    return node;
  });
  const handles = ["end of clustering", "end of scattering"].map((label, i) =>
    make("span", { class: "v-handle", role: "slider", tabindex: "0", "aria-label": label, "data-handle": i, "aria-orientation": "horizontal" }),
  );
  const track = make("div", { class: "v-track" }, ...parts, ...handles);
  host.replaceChildren(track);

  bar.draw = () => {
    const { L, Lc, Ls } = bar, layers = [Lc, Ls, L - Lc - Ls], ends = [Lc, Lc + Ls];
    let from = 0;
    parts.forEach((node, i) => {
      node.style.left = `${(100 * from) / L}%`;
      node.style.width = `${(100 * layers[i]) / L}%`;
      const n = Math.min([bar.Nc, bar.N, bar.Np][i], bar.N);
      // where the words would not fit between the handles, the count of layers says most
      const width = (track.clientWidth * layers[i]) / L, words = `${symbols[i]} ${layers[i]} \u00d7 ${n}`;
      node.textContent = layers[i] ? (width && width < 22 + 7 * words.length ? (width < 56 ? layers[i] : `${symbols[i]} ${layers[i]}`) : words) : "";
      node.title = layers[i] ? `${names[i]}: ${layers[i]} layers on ${n} image tokens` : "";
      from += layers[i];
    });
    track.style.setProperty("--cell", `${100 / L}%`);
    handles.forEach((node, i) => {
      node.style.left = `${(100 * ends[i]) / L}%`;
      node.setAttribute("aria-valuemin", i);
      node.setAttribute("aria-valuemax", L);
      node.setAttribute("aria-valuenow", ends[i]);
      node.setAttribute("aria-valuetext", `layer ${ends[i]}: Lc ${Lc}, Ls ${Ls}, Lp ${L - Lc - Ls}`);
    });
  };

  // A plan of any stages [{name, L, n}], without handles.
  bar.show = (stages, L) => {
    let from = 0;
    bar.free = false;
    const shown = stages.map(({ name, title, L: layers, n }) => {
      const node = make("span", { class: "v-part", title: `${title || name}: ${layers} layers on ${n ?? "some"} image tokens`, text: `${layers} \u00d7 ${n ?? "?"}` });
      Object.assign(node.style, { left: `${(100 * from) / L}%`, width: `${(100 * layers) / L}%`, background: look.stages[name] || look.stage });
      from += layers;
      return node;
    });
    track.style.setProperty("--cell", `${100 / L}%`);
    track.replaceChildren(...shown);
  };

  // A handle may push the other, never pass it; at least one layer must run before tokens can be ranked.
  bar.move = (handle, to) => {
    const ends = [bar.Lc, bar.Lc + bar.Ls];
    ends[handle] = Math.min(Math.max(to, handle), bar.L);
    if (handle === 0) ends[1] = Math.max(ends[0], ends[1], 1);
    else ends[0] = Math.min(ends[0], ends[1]);
    bar.Lc = ends[0];
    bar.Ls = ends[1] - ends[0];
    bar.draw();
    during({ Lc: bar.Lc, Ls: bar.Ls });
  };

  bar.set = (knobs) => {
    Object.assign(bar, knobs);
    bar.Lc = Math.min(Math.max(bar.Lc, 0), bar.L);
    bar.Ls = Math.min(Math.max(bar.Ls, 0), bar.L - bar.Lc);
    bar.free = true;
    if (parts[0].parentNode !== track) track.replaceChildren(...parts, ...handles);
    bar.draw();
  };

  bar.draw();
  new ResizeObserver(() => bar.free && bar.draw()).observe(track);
  const done = () => commit({ Lc: bar.Lc, Ls: bar.Ls });
  const layerAt = (event) => {
    const { left, width } = track.getBoundingClientRect();
    return Math.round(((event.clientX - left) / width) * bar.L);
  };
  track.addEventListener("pointerdown", (event) => {
    if (!bar.free) return;
    const to = layerAt(event), ends = [bar.Lc, bar.Lc + bar.Ls];
    const own = event.target.dataset.handle;
    // stacked handles: the one that can still move that way
    bar.dragging = own !== undefined && ends[0] !== ends[1] ? +own : Math.abs(to - ends[0]) < Math.abs(to - ends[1]) || (ends[0] === ends[1] && to < ends[0]) ? 0 : 1;
    bar.before = `${bar.Lc} ${bar.Ls}`;
    track.setPointerCapture(event.pointerId);
    handles[bar.dragging].focus();
    bar.move(bar.dragging, to);
    event.preventDefault();
  });
  track.addEventListener("pointermove", (event) => bar.dragging !== null && bar.move(bar.dragging, layerAt(event)));
  const drop = () => {
    if (bar.dragging === null) return;
    bar.dragging = null;
    if (bar.before !== `${bar.Lc} ${bar.Ls}`) done();
  };
  track.addEventListener("pointerup", drop);
  track.addEventListener("pointercancel", drop);
  let waiting = 0;
  track.addEventListener("keydown", (event) => {
    const handle = event.target.dataset.handle;
    const by = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -4, PageUp: 4, Home: -1e3, End: 1e3 }[event.key];
    if (handle === undefined || by === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    bar.move(+handle, [bar.Lc, bar.Lc + bar.Ls][+handle] + by);
    clearTimeout(waiting);
    waiting = setTimeout(done, 250);
  });
  return bar;
};
