// Counterfactuals: tokens forced into a stage or out of it, what that did to the mask, and which survivors matter at all.
const ONLY_SHOWN = "A saved run is only shown: the model that made it is not here to run again.";
const MATTERS = 0.9; // a set of tokens keeps the mask while it agrees this well with the one that all survivors make

const act = (name, patch) => {
  if (patch < 0) return;
  if (name === "pin") set({ pins: s.pins.includes(patch) ? s.pins.filter((p) => p !== patch) : [...s.pins, patch].slice(-6) });
  else if (run.opened) say(ONLY_SHOWN);
  else {
    const stage = stageHere().name, orders = s.force[stage] || { keep: new Set(), drop: new Set() };
    const [on, off] = name === "keep" ? [orders.keep, orders.drop] : [orders.drop, orders.keep];
    off.delete(patch);
    if (!on.delete(patch)) on.add(patch);
    set({ force: { ...s.force, [stage]: orders } });
  }
};

const forcedNow = () => {
  const out = {};
  for (const [stage, { keep, drop }] of Object.entries(s.force))
    if (keep.size + drop.size) out[stage] = { keep: [...keep].sort((a, b) => a - b), drop: [...drop].sort((a, b) => a - b) };
  return out;
};

const again = () => {
  const force = forcedNow();
  if (run.opened) say(ONLY_SHOWN);
  else if (Object.keys(force).length) sending.wish({ force });
};

const drawForce = () => {
  const force = forcedNow(), names = Object.keys(force), box = $("force");
  box.hidden = !s.large && !names.length;
  const lines = names.map((name) => make("li", { text: `${name}: keep ${force[name].keep.join(", ") || "none"}; drop ${force[name].drop.join(", ") || "none"}` }));
  const go = make("button", { type: "button", text: "Run with these", class: "v-primary", title: "R" }), clear = make("button", { type: "button", text: "Clear" });
  go.addEventListener("click", again);
  clear.addEventListener("click", () => set({ force: {} }));
  const wanted = names.length ? [make("ul", {}, ...lines), make("div", { class: "v-acts" }, go, clear)] : [make("p", { class: "v-hint", text: "Force the token at the cursor into a stage (K) or out of it (X), then run again (R)." })];
  box.replaceChildren(make("h3", { text: "What if" }), ...(run.opened ? [make("p", { class: "v-hint", text: ONLY_SHOWN })] : wanted));
};

// A token as a reader finds it on the board: by its rank among the survivors where it has one.
const callToken = (run, patch) => {
  const i = run.stages.findIndex((stage, k) => stage.kind === "kept" && run[`score.${k}`]), score = i >= 0 ? run[`score.${i}`] : null;
  return score && score[patch] === score[patch] ? `token ${rankIn(score, patch)} (${tokenName(run, patch)})` : `the token at ${tokenName(run, patch)}`;
};
const inWords = (list) => (list.length > 1 ? `${list.slice(0, -1).join(", ")} and ${list[list.length - 1]}` : list[0]);
const called = (run, patches) => (patches.length > 4 ? `${patches.length} tokens` : inWords(patches.map((patch) => callToken(run, patch))));

// What a forced run did, against the run before it: what moved, by how much, and where to.
const answerWords = (run, before) => {
  const dropped = Object.values(run.forced).flatMap(({ drop }) => drop), kept = Object.values(run.forced).flatMap(({ keep }) => keep);
  const how = [dropped.length ? `Without ${called(before?.run || run, dropped)}` : "", kept.length ? `${dropped.length ? "with" : "With"} ${called(before?.run || run, kept)}` : ""].filter(Boolean).join(", ");
  if (!before) return `${how}: run it without force to see what changed.`;
  const parts = [];
  for (const [key, name] of [["dense", "IoU dense"], ["truth", "IoU true"]]) {
    if (!run.masks[key] || !before.run.masks[key]) continue;
    const [a, b] = [before.run, run].map((one) => agreement(one.masks.mask, one.masks[key]));
    const words = [a, b].map((value) => (typeof value === "number" ? value.toFixed(2) : value));
    parts.push(`${name} ${words[0]} to ${words[1]}`);
  }
  const same = agreement(run.masks.mask, before.run.masks.mask), from = before.run.lands, to = run.lands;
  const empty = !run.masks.mask.some(Boolean);
  const moved = empty ? "the mask is gone" : typeof same === "number" && same > 0.95 ? "the mask stayed" : to && to !== from ? `the mask moved ${from ? `from ${from} ` : ""}to ${to}` : same < 0.5 ? `the mask moved${to ? `, still at ${to}` : ""}` : "the mask changed its shape";
  return `${how}: ${[...parts, moved, typeof same === "number" ? `IoU with the mask before ${same.toFixed(2)}` : ""].filter(Boolean).join(", ")}.`;
};

// The mask that a forced run is held against, as an outline beside its own.
const ghostOf = (run) => {
  const before = changes(run) ? history.before(run) : null;
  return before?.run.pixels === run.pixels ? { mask: before.run.masks.mask, key: `before ${before.number}`, label: "mask before" } : null;
};

const drawAnswer = (run) => {
  const box = $("answer"), forced = changes(run), before = forced ? history.before(run) : null;
  box.hidden = !forced;
  box.replaceChildren(...(forced ? [make("p", { class: "v-changed", text: answerWords(run, before) })] : []));
};

// Leave one out: every survivor in turn, then the fewest that keep the mask.
const drawMatter = (run) => {
  const box = $("matter"), last = run.stages[run.stages.length - 1], found = run.matters;
  const can = sending.can && !run.opened && last.kind === "kept" && last.n <= 64;
  box.hidden = !can && !found;
  s.costs = found && found.costs ? new Map(found.patches.map((patch, i) => [patch, found.costs[i]])) : null;
  s.enough = found?.smallest || null;
  if (box.hidden) return;
  const ask = make("button", { type: "button", class: "v-ask-matter", text: found ? "Again" : "Which tokens matter?", title: `each of the ${last.n} survivors left out in turn` });
  ask.addEventListener("click", () => sending.matters());
  const nodes = [ask];
  if (found?.error) nodes.push(make("p", { class: "v-hint", text: found.error }));
  else if (found) {
    const order = found.patches.map((patch, i) => [patch, found.costs[i]]).sort((a, b) => b[1] - a[1]);
    const top = order.filter(([, cost]) => cost >= 0.005).slice(0, 5);
    const rows = top.map(([patch, cost]) => {
      const item = make("li", {}, make("button", { type: "button", text: callToken(run, patch) }), make("span", { text: `costs ${cost.toFixed(2)}` }));
      item.style.setProperty("--share", Math.min(1, cost));
      item.firstChild.addEventListener("click", () => set({ large: panels.at(run.stages.length), pins: [patch] }));
      return item;
    });
    const names = found.smallest.length > 6 ? "" : `: ${inWords(found.smallest.map((patch) => callToken(run, patch)))}`;
    nodes.push(make("ol", { class: "v-costs" }, ...rows));
    nodes.push(make("p", { class: "v-smallest", text: `${top.length ? "" : "No single token matters: each can go. "}${found.smallest.length} of ${found.patches.length} survivors keep the mask (IoU ${found.kept.toFixed(2)})${names}.` }));
  }
  box.replaceChildren(...nodes);
};
