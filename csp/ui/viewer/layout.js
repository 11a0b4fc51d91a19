// How large things are: panels as large as fit the screen, one of them large, charts as wide as their axis.
const NARROW = 760, GAP = 10, CAPTION = 20;
const narrow = () => window.innerWidth <= NARROW;

const layout = (anew = false) => {
  const center = $("center"), main = $("main");
  if (!run || !main.clientWidth) return;
  const large = s.large, phone = narrow();
  $("panels").hidden = !!large && !phone;
  $("large").hidden = !large;
  root.classList.toggle("v-is-large", !!large);
  panels.place(phone ? null : large);
  const before = side;
  const learn = root.dataset.mode === "learn";
  if (phone) {
    const wide = center.clientWidth, mask = Math.floor(Math.min(wide, window.innerHeight * 0.44));
    side = Math.floor((wide - 4 * 6) / Math.max(5, panels.list.length - 1));
    panels.sizes = { mask };
    root.style.setProperty("--mask", `${mask}px`);
    root.style.setProperty("--p", `${side}px`);
    if (large) fitBoard(wide, window.innerHeight * 0.6);
  } else {
    const frame = getComputedStyle(main), inner = main.clientWidth - parseFloat(frame.paddingLeft) - parseFloat(frame.paddingRight);
    const taken = [...main.children].filter((one) => one !== center && one !== $("side") && one.offsetWidth).reduce((sum, one) => sum + one.offsetWidth + GAP, 0);
    const room = inner - taken - (178 + GAP);
    const tall = main.clientHeight - parseFloat(frame.paddingTop) - parseFloat(frame.paddingBottom) - $("time").offsetHeight - 4;
    const { side: fitted, cols } = panels.fit(room, Math.max(260, tall), GAP, CAPTION);
    side = fitted;
    panels.sizes = {};
    // in a lesson the board is as large as it fits, and the text gets what is left beside it
    const wide = learn && large ? Math.min(room, Math.max(480, (tall - CAPTION - 6) * (run.size[1] / run.size[0]))) : cols * side + (cols - 1) * GAP;
    center.style.width = `${wide}px`;
    root.style.setProperty("--p", `${side}px`);
    root.style.setProperty("--cols", cols);
    if (large) fitBoard(Math.min(tall - CAPTION - 6, learn ? wide : wide - Math.min(250, wide * 0.34) - GAP), tall - CAPTION - 6);
  }
  if (phone) center.style.width = "";
  ink = getComputedStyle(root).color;
  if (!(anew || before !== side)) return;
  drawElbow();
  drawTokens();
  dealCards();
  drawMarks();
};

const fitBoard = (width, height) => {
  board.fit(Math.max(120, Math.floor(width)), Math.max(120, Math.floor(height)));
  host.style.width = base.style.width;
  host.style.height = base.style.height;
  root.style.setProperty("--board", base.style.width);
};

const drawElbow = () => {
  const box = $("elbow");
  box.hidden = !bend;
  if (!bend) return box.replaceChildren();
  const { chart, label } = elbowChart(run, bend, Math.max(160, Math.min(320, box.clientWidth || 200)), look);
  box.replaceChildren(make("h3", { text: `How many matter: ${bend.name}, summed from the highest` }), chart, make("p", { class: "v-hint", text: label }));
};

// The whole window, full screen where the browser grants it; letters grow for the last row of seats.
const presentation = () => {
  root.classList.toggle("v-present", s.present);
  $("full").setAttribute("aria-pressed", s.present);
  if (s.present) document.documentElement.requestFullscreen?.().catch(() => {});
  else if (document.fullscreenElement) document.exitFullscreen();
  requestAnimationFrame(() => layout(true));
};
document.addEventListener("fullscreenchange", () => {
  if (!element.isConnected) return;
  if (!document.fullscreenElement && s.present && root.dataset.full) set({ present: false });
  root.dataset.full = document.fullscreenElement ? "1" : "";
  layout(true);
});
