// The rail: a control for every knob of every method, made from what the library says of it, and the plan that they make.
// `rail.asked` is what a run would be asked now. A control tells `moved(how)`: "set" once a value is chosen, "rest" while one
// is being dragged.
const CUSTOM = "custom", MOST_SHOWN = 8, SHOWN_OF_MANY = 5;

const makeRail = (host, about, moved, forecast) => {
  const methods = Object.fromEntries(about.methods.map((method) => [method.name, method]));
  const rail = { asked: structuredClone(about.start), live: about.live, text: 0 };
  const held = {}; // knobs of methods that were left, so that one comes back as it was
  const rows = {};
  const card = () => methods[rail.asked.method];
  const fresh = (name) => Object.fromEntries(methods[name].knobs.map((knob) => [knob.name, structuredClone(knob.default)]));
  const labelled = (id, text, control, title) => make("div", { class: "r-row", id, title }, make("label", { text }, control));

  const select = (options, label) => {
    const node = make("select", { "aria-label": label });
    for (const [value, text] of options) node.append(make("option", { value, text }));
    return node;
  };
  const method = select(about.methods.map((one) => [one.name, one.label]), "Method");
  const preset = select([[CUSTOM, CUSTOM], ...Object.keys(about.presets).map((name) => [name, name])], "Preset");
  const seed = make("input", { type: "number", min: 0, max: 2147483647, step: 1, inputmode: "numeric", "aria-label": "Seed" });
  const live = make("input", { type: "checkbox", "aria-label": "Run as controls move" });
  const knobs = make("div", { class: "r-knobs" }), plan = make("div", { class: "r-plan", role: "status" });
  const heads = make("button", { type: "button", class: "r-handle", "aria-expanded": "false" });
  heads.addEventListener("click", () => rail.drawer(host.dataset.open !== "1"));
  rail.drawer = (open) => {
    host.dataset.open = open ? "1" : "";
    heads.setAttribute("aria-expanded", open);
  };
  const more = make("details", { class: "r-more", id: "csp-off" });

  // Two counts of layers that share one decoder: what one takes the other gives.
  const pair = () => ("Lc" in rail.asked.knobs && "Ls" in rail.asked.knobs ? ["Lc", "Ls"] : null);
  const fit = (name) => {
    const both = pair();
    if (!both || !both.includes(name)) return;
    const other = both[0] === name ? both[1] : both[0], { knobs: now } = rail.asked;
    now[other] = Math.max(0, Math.min(now[other], about.card.L - now[name]));
    rows[other]?.show();
  };

  const put = (name, value, how) => {
    rail.asked.knobs[name] = value;
    fit(name);
    rows[name].show();
    changed(how);
  };
  const changed = (how) => {
    namePreset();
    rail.plan();
    moved(how);
  };

  const number = (knob) => {
    const whole = knob.kind === "integer", step = whole ? 1 : knob.high <= 1 ? 0.05 : 0.1;
    const bounds = { min: knob.low, max: knob.high, step };
    const range = make("input", { type: "range", ...bounds, "aria-label": `range slider for ${knob.name}` });
    const box = make("input", { type: "number", ...bounds, inputmode: whole ? "numeric" : "decimal", "aria-label": `number input for ${knob.name}` });
    const reset = make("button", { type: "button", class: "r-reset", text: "\u21ba", title: `back to ${knob.default}`, "aria-label": `Reset ${knob.name}`, "data-testid": "reset-button" });
    const cut = (value) => Math.min(Math.max(whole ? Math.round(value) : value, knob.low), knob.high);
    let dragged = false;
    range.addEventListener("pointerdown", () => (dragged = true));
    range.addEventListener("input", () => put(knob.name, cut(+range.value), dragged ? "rest" : "set"));
    range.addEventListener("change", () => {
      dragged = false;
      put(knob.name, cut(+range.value), "set");
    });
    box.addEventListener("input", () => box.value !== "" && Number.isFinite(+box.value) && put(knob.name, cut(+box.value), "type"));
    box.addEventListener("change", () => put(knob.name, box.value === "" || !Number.isFinite(+box.value) ? knob.default : cut(+box.value), "set"));
    box.addEventListener("keydown", (event) => event.key === "Enter" && box.dispatchEvent(new Event("change")));
    reset.addEventListener("click", () => put(knob.name, structuredClone(knob.default), "set"));
    const node = make("div", { class: "r-number" }, make("b", { text: knob.name }), range, box, reset, make("small", { text: knob.help }));
    const show = () => {
      const value = rail.asked.knobs[knob.name];
      range.value = value;
      if (document.activeElement !== box || +box.value !== value) box.value = value;
      reset.disabled = value === knob.default;
    };
    return { node, show };
  };

  const choice = (knob) => {
    const name = `knob-${knob.name}`, box = make("div", { class: "r-choices", role: "radiogroup", "aria-label": `${knob.name}: ${knob.help}` });
    const buttons = knob.choices.map((value) => {
      const input = make("input", { type: "radio", name, value });
      input.addEventListener("change", () => put(knob.name, value, "set"));
      const label = make("label", {}, input, make("span", { text: value }));
      box.append(label);
      return input;
    });
    const show = () => buttons.forEach((input) => (input.checked = input.value === rail.asked.knobs[knob.name]));
    return { node: make("div", { class: "r-choice" }, make("b", { text: knob.name }), box, make("small", { text: knob.help })), show };
  };

  const list = (knob) => {
    const box = make("input", { type: "text", "aria-label": `numbers for ${knob.name}` });
    const read = () => box.value.split(/[\s,;]+/).filter(Boolean).map(Number);
    const take = (how) => read().length && read().every(Number.isFinite) && put(knob.name, read(), how);
    box.addEventListener("input", () => take("type"));
    box.addEventListener("change", () => take("set") || show());
    const show = () => {
      const text = [rail.asked.knobs[knob.name]].flat().join(", ");
      if (document.activeElement !== box) box.value = text;
    };
    return { node: make("div", { class: "r-list" }, make("b", { text: knob.name }), box, make("small", { text: knob.help })), show };
  };

  const flag = (knob) => {
    const box = make("input", { type: "checkbox", "aria-label": knob.name });
    box.addEventListener("change", () => put(knob.name, box.checked, "set"));
    return { node: make("label", { class: "r-live" }, box, make("b", { text: knob.name }), make("small", { text: knob.help })), show: () => (box.checked = rail.asked.knobs[knob.name]) };
  };
  const words = (knob) => {
    const box = make("input", { type: "text", "aria-label": knob.name });
    box.addEventListener("change", () => put(knob.name, box.value, "set"));
    return { node: make("div", { class: "r-list" }, make("b", { text: knob.name }), box, make("small", { text: knob.help })), show: () => (box.value = rail.asked.knobs[knob.name]) };
  };

  const control = (knob) => {
    const made = { choice, switch: flag, integer: number, number, integers: list, numbers: list, text: words };
    const row = made[knob.kind](knob);
    row.node.id = knob.name in { query: 1, method: 1, preset: 1, seed: 1 } ? `in_knob_${knob.name}` : `in_${knob.name}`;
    row.node.dataset.knob = knob.name;
    row.node.title = knob.help;
    return row;
  };

  const build = () => {
    for (const name of Object.keys(rows)) delete rows[name];
    for (const knob of card().knobs) rows[knob.name] = control(knob);
    // choices among a method's first knobs lead, as in the paper: how to cluster, then how much
    const all = card().knobs, shown = all.length > MOST_SHOWN ? all.slice(0, SHOWN_OF_MANY) : all, rest = all.slice(shown.length);
    const first = [...shown].sort((a, b) => (b.choices.length > 2) - (a.choices.length > 2));
    knobs.replaceChildren(...first.map((knob) => rows[knob.name].node));
    const extra = labelled("in_seed", "seed", seed, "of what is drawn by lot"), check = make("label", { class: "r-live", id: "in_live" }, live, make("span", { text: "Run as controls move" }));
    more.replaceChildren(make("summary", { text: ["Seed", ...rest.map((knob) => knob.name)].join(", ") }), ...rest.map((knob) => rows[knob.name].node), extra, check);
    host.dataset.method = rail.asked.method;
    about.built?.(rows);
    rail.show();
  };

  const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);
  const namePreset = () => {
    const now = { ...rail.asked.knobs };
    const found = Object.entries(about.presets).find(([, row]) => row.method === rail.asked.method && Object.entries(row.knobs).every(([name, value]) => same(now[name], value)));
    preset.value = found ? found[0] : CUSTOM;
    heads.textContent = `${card().label} \u00b7 ${preset.value === CUSTOM ? summary() : preset.value}`;
  };
  const summary = () => Object.entries(rail.asked.knobs).filter(([, value]) => typeof value === "number").slice(0, 4).map(([name, value]) => `${name} ${value}`).join(", ") || CUSTOM;

  rail.show = () => {
    method.value = rail.asked.method;
    seed.value = rail.asked.seed;
    live.checked = rail.live;
    for (const row of Object.values(rows)) row.show();
    namePreset();
    rail.plan();
  };
  // Settings from elsewhere: a link, the stage bar, another page, a run of the history. Nothing runs by this.
  rail.set = (settings) => {
    const next = settings.method ?? rail.asked.method;
    if (!methods[next]) return;
    const anew = next !== rail.asked.method || !Object.keys(rows).length;
    if (anew) held[rail.asked.method] = rail.asked.knobs;
    const base = anew ? { ...fresh(next), ...(settings.knobs ? {} : held[next]) } : rail.asked.knobs;
    const known = Object.fromEntries(Object.entries(settings.knobs || {}).filter(([name]) => name in fresh(next)));
    Object.assign(rail.asked, settings, { method: next, knobs: { ...base, ...structuredClone(known) } });
    anew ? build() : rail.show();
  };

  method.addEventListener("change", () => {
    rail.set({ method: method.value });
    changed("set");
  });
  preset.addEventListener("change", () => {
    const row = about.presets[preset.value];
    if (!row) return namePreset();
    rail.set({ method: row.method, knobs: row.knobs });
    changed("set");
  });
  seed.addEventListener("input", () => seed.value !== "" && Object.assign(rail.asked, { seed: Math.max(0, Math.round(+seed.value)) }) && changed("type"));
  seed.addEventListener("change", () => {
    Object.assign(rail.asked, { seed: Math.max(0, Math.round(+seed.value || 0)) });
    seed.value = rail.asked.seed;
    changed("set");
  });
  live.addEventListener("change", () => {
    rail.live = live.checked;
    moved("set");
  });

  // What the plan costs, told before anything runs: the library is asked, not the model.
  let asking = 0;
  rail.plan = async () => {
    if (!forecast) return;
    const mine = ++asking, { method: name, knobs: now } = rail.asked;
    const told = await forecast({ method: name, knobs: now, text: rail.text });
    if (mine !== asking || !told) return;
    rail.told = told;
    plan.dataset.navg = told.n_avg ?? "";
    if (told.error) plan.replaceChildren(make("b", { text: "This plan will not run" }), make("small", { text: told.error }));
    else {
      const known = told.n_avg !== null;
      plan.replaceChildren(
        make("b", { text: known ? `N_avg ${tenth(Math.round(10 * told.n_avg) / 10)}` : "N_avg: the picture decides" }),
        make("span", { text: known ? ` of ${about.card.N}` : "" }),
        make("small", { text: known ? `${flopsWords(told.flops)} of ${flopsWords(told.dense)} FLOPs, before anything runs` : "how many tokens stay is known after the run" }),
      );
    }
    plan.classList.toggle("r-wrong", !!told.error);
    about.planned?.(told);
  };

  host.append(heads, labelled("in_method", "Method", method, "how image tokens are chosen"), labelled("in_preset", "Preset", preset, "rows of the paper's tables for this shape"), knobs, plan, more);
  build();
  return rail;
};

const flopsWords = (value) => {
  for (const [unit, size] of [["T", 1e12], ["G", 1e9], ["M", 1e6]]) if (value >= size) return `${(value / size).toPrecision(3)} ${unit}`;
  return String(Math.round(value));
};
