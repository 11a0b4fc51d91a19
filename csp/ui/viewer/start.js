// The page at work: the bars, the rail and the server put together; what a link asks for; the first run.
const toTab = (name, at = null) => {
  const page = document.querySelector("#csp-page"), learn = name === "learn", before = root.dataset.tab;
  root.dataset.tab = name;
  if (page) page.dataset.tab = name;
  root.dataset.mode = learn ? "learn" : "board";
  $("lesson").hidden = !learn;
  top?.tab(name);
  if (!["board", "learn"].includes(name)) trigger("tab", { name });
  // a step has its own settings and view: the board does not keep them to itself
  if (before === "learn" && !learn) lesson.leave();
  requestAnimationFrame(() => {
    if (learn && before !== "learn") lesson.enter(at);
    layout(true);
    address();
  });
};

// The address of what is on screen: the run's own link, and layer, view and step. Written when things have settled:
// browsers ration changes of the address.
const VIEWED = { threshold: 0, scale: "sqrt", cmap: Object.keys(look.heats || { "": 0 })[0], head: -1 };
let writing = 0;
const address = () => {
  clearTimeout(writing);
  writing = setTimeout(writeAddress, 150);
};
const writeAddress = () => {
  if (!run) return;
  const before = new URLSearchParams(window.location.search), query = new URLSearchParams();
  for (const [name, value] of before) if (name.startsWith("__")) query.set(name, value);
  for (const [name, value] of Object.entries(run.link || {})) query.set(name, value);
  for (const [name, usual] of Object.entries(VIEWED)) if (s[name] !== usual) query.set(name, s[name]);
  const { tab } = root.dataset;
  if (tab !== "board") query.set("tab", tab);
  if (s.large && tab !== "learn") query.set("large", s.large);
  if (s.scrubbed || s.large) {
    query.set("at", s.layer);
    query.set("show", s.view);
  }
  if (tab === "learn") query.set("step", lesson.step);
  const url = `${window.location.pathname}?${query}`;
  link.value = new URL(url, window.location.href).href;
  // the page's first result is not the visitor's doing, and a link that led here must stay until it is read
  if (run.link && settled) window.history.replaceState(window.history.state, "", url);
};
const params = new URLSearchParams(window.location.search);
const linked = () => {
  const chosen = (name, known) => known.includes(params.get(name)) && (s[name] = params.get(name));
  chosen("scale", SCALES);
  chosen("cmap", Object.keys(look.heats || {}));
  const cut = Number(params.get("threshold") || 0);
  if (Number.isFinite(cut) && Math.abs(cut) <= 1000) s.threshold = cut;
  if (/^\d{1,3}$/.test(params.get("head") || "")) s.head = +params.get("head");
  if (VIEWS[params.get("show")]) s.view = params.get("show");
  if (/^\d{1,3}$/.test(params.get("at") || "")) Object.assign(s, { layer: +params.get("at"), told: true, scrubbed: true });
  if (/^\d{1,2}$/.test(params.get("step") || "")) lesson.go(+params.get("step"), false);
};

const live = !!about;
if (!live) root.dataset.alone = "1";
const offerFour = (rows) => {
  if (!rows.cluster || !server_.four) return;
  const button = make("button", { type: "button", class: "r-four", text: "All four side by side" });
  button.addEventListener("click", fourDialog);
  rows.cluster.node.querySelector("small").replaceWith(button);
};
const rail = live ? makeRail($("rail"), { ...about, planned: (told) => planned(told), built: (rows) => offerFour(rows) }, (how) => sending.moved(how), server_.forecast && ((asked) => server_.forecast(asked))) : null;
const top = live
  ? makeTop(root, about, {
      run: () => sending.wish(),
      moved: () => sending.moved("type"),
      tab: toTab,
      server: (name, asked) => server_[name](asked),
      upload: (file) => upload(file),
      error: (text) => sending.error(text),
      progress: (text) => ($("told").textContent = text),
      fresh: (uri, note) => freshPicture(uri, note),
      file: (name) => sending.file(name),
      reopen: (file) => sending.reopen(file),
      check: () => selfCheck(),
      words: () => keysDialog(),
      read: (name) => readOn(name),
      code: () => about.methods.find((one) => one.name === rail.asked.method).code,
      replay: () => replay.go(),
    })
  : null;
const sending = live ? makeSending(top, rail) : { can: false, moved: () => {}, wish: () => {}, arrive: null };
const bar = makeStageBar(
  $("stagebar"),
  look,
  (layers) => live && (rail.set({ method: "csp", knobs: layers }), sending.moved("set")),
  (layers) => live && (rail.set({ method: "csp", knobs: layers }), sending.moved("type")),
);

// The plan that the controls make, on the stage bar; of a run that is only shown, its own.
const planned = (told) => {
  const { method, knobs } = rail.asked;
  if ("Lc" in knobs && "Np" in knobs) bar.dragging === null && bar.set({ L: about.card.L, N: about.card.N, ...knobs });
  else if (!told.error) bar.show(told.stages, about.card.L);
  root.dataset.method = method;
};
const showPlan = (run) => {
  if (live && !run.opened) return;
  if ("Lc" in run.knobs) bar.set({ L: run.L, N: run.N, ...run.knobs });
  else bar.show(run.stages, run.L);
};

// A picture of one's own stands alone until something is asked about it.
const freshPicture = (uri, note) => {
  root.dataset.state = "empty";
  $("thumb").src = uri;
  const box = make("div", { class: "v-fresh" }, make("img", { src: uri, alt: "Your picture" }), make("p", { text: "Your picture is here. Type what should be found in it, then press Enter." }), ...(note ? [make("p", { class: "v-hint", text: note })] : []));
  $("panels").querySelector(".v-fresh")?.remove();
  if (s.large) set({ large: null });
  $("panels").append(box);
  $("told").textContent = "Not asked yet";
  root.dataset.fresh = "1";
};

// Another page's setting, opened here.
document.addEventListener("csp-open", (event) => {
  if (!live || !element.isConnected) return;
  const { method, knobs, seed } = event.detail;
  rail.set({ method, knobs: knobs || {}, ...(Number.isInteger(seed) ? { seed } : {}) });
  toTab("board");
  sending.wish();
});
// A run from elsewhere, such as a gallery of recorded ones.
document.addEventListener("csp-packet", (event) => element.isConnected && (live ? sending.arrive(event.detail) : arriveAlone(event.detail)));

$("help").addEventListener("click", () => keysDialog());
$("full").addEventListener("click", () => set({ present: !s.present }));
$("stop").addEventListener("click", () => sending.stop());

const begin = async () => {
  linked();
  const first = read();
  if (!live) return arriveAlone(first);
  top.tab("board");
  const wanted = Object.fromEntries([...params].filter(([name]) => !name.startsWith("__")));
  const told = Object.keys(wanted).some((name) => about.linked.includes(name)) ? await sending.link(wanted) : null;
  if (!told?.asked) {
    await sending.arrive(first, first.block ? { asked: sending.asked(), key: JSON.stringify(sending.asked()), first: true } : null);
    if (told && !told.error && told.notes?.length) sending.error(told.notes.join(" "));
    if (!first.block && first.status) $("told").textContent = first.status;
  }
  if (about.tabs.includes(wanted.tab)) toTab(wanted.tab, s.told ? { layer: s.layer, view: s.view } : null);
  if (params.get("large")) set({ large: params.get("large"), ...(s.told ? { layer: s.layer, view: s.view } : {}) });
  rail.plan();
  sending.publish();
  sending.rest();
  if (!still && !Object.keys(wanted).length) replay.first();
};
const arriveAlone = async (data) => {
  try {
    await shownAlone(data);
    $("error").textContent = data.error || "";
  } catch (error) {
    $("error").textContent = `The run could not be drawn: ${error.message}`;
  }
};
const shownAlone = async (data) => {
  if (!data.block) return;
  const mine = ++turn, began = performance.now();
  const same = run && run.picture === data.picture, image = same ? history.shown.picture : new Image();
  if (!same) {
    image.src = data.picture;
    await image.decode();
  }
  const came = await runOf(data);
  if (mine !== turn) return;
  history.add(came, image);
  enter(history.shown);
  root.dataset.state = "done";
  requestAnimationFrame(() => setTimeout(() => {
    root.dataset.paintedMs = (performance.now() - began).toFixed(1);
    root.dataset.run = mine;
  }));
};
new ResizeObserver(() => layout()).observe($("main"));
let got = props.value;
watch("value", () => {
  if (!live) return arriveAlone(read());
  // Gradio may tell a value again that it told before; what was shown since stays
  if (props.value === got) return;
  got = props.value;
  if (about.lent && sending.flying) sending.settled(read());
  else sending.arrive(read());
});
begin();
