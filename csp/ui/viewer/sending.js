// Asking the server: one run for one action, the last wish alone while one is under way, and what comes back.
const REST = 160, QUIET = 1800, PLACE = 1000; // ms: a drag that rests is a wish; so long without one, repeats may be timed; a waiting run asks for its place
const pictures = new Map(); // the picture of a source, as the browser has it
const server_ = typeof server === "undefined" ? {} : server;

const makeSending = (top, rail) => {
  const sending = { can: !!about && !!(server_.run || about.lent), flying: null, next: null, number: 0, shown: "" };
  let resting = 0, quiet = 0;

  sending.asked = () => ({ ...rail.asked, query: $("query").value, source: top.source, image: top.image });
  const key = () => JSON.stringify(sending.asked());
  // Other pages know by it what their outcomes were made with.
  const publish = () => {
    const page = document.querySelector("#csp-page"), detail = sending.asked();
    if (page) page.dataset.asked = JSON.stringify({ ...JSON.parse(page.dataset.asked || "{}"), ...detail });
    document.dispatchEvent(new CustomEvent("csp-asked", { detail }));
  };

  // A control moved: the result on screen is no longer what the controls say.
  sending.moved = (how) => {
    if (!sending.can) return;
    const stale = key() !== sending.shown;
    root.toggleAttribute("data-stale", stale);
    publish();
    clearTimeout(resting);
    clearTimeout(quiet);
    if (!stale || !rail.live || how === "type" || how === "draw" || root.dataset.state === "empty") return;
    if (how === "rest") resting = setTimeout(() => sending.wish(), REST);
    else sending.wish();
  };

  // One run, now or after the one under way; of several wishes meanwhile the last. The same wish twice is one.
  sending.wish = (more = {}) => {
    if (!sending.can) return;
    publish();
    clearTimeout(resting);
    clearTimeout(quiet);
    const wish = { asked: { ...sending.asked(), ...more }, key: key(), more: Object.keys(more).length > 0 };
    if (!wish.more && sending.flying && !sending.flying.more && sending.flying.key === wish.key) return (sending.next = null);
    if (sending.flying) sending.next = wish;
    else fly(wish);
  };
  const ended = (wish) => {
    if (sending.flying !== wish) return false;
    sending.flying = null;
    busy(false);
    return true;
  };
  const fly = async (wish) => {
    sending.flying = wish;
    wish.began = performance.timeOrigin + performance.now();
    busy(true);
    root.dataset.runs = ++sending.number;
    const source = wish.asked.source, have = pictures.has(source) ? source : "";
    const payload = { ...wish.asked, have, yields: undefined };
    try {
      const data = about.lent ? await lentRun(payload) : await server_.run(payload);
      if (sending.flying !== wish) return;
      await arrive(data, wish);
    } catch (error) {
      if (sending.flying === wish) failed(`The server did not answer (${error.message || error}): try again.`, wish);
    }
    if (!ended(wish)) return;
    const next = sending.next;
    sending.next = null;
    if (next && (next.more || next.key !== wish.key)) fly(next);
    else rest();
  };
  let settle = null;
  const lentRun = (payload) => new Promise((done) => {
    settle = done;
    trigger("ask", payload);
  });
  sending.settled = (data) => settle?.(data);
  sending.stop = () => {
    sending.flying = sending.next = null;
    busy(false);
    $("told").textContent = "Stopped: the result before stands.";
    root.toggleAttribute("data-stale", key() !== sending.shown);
  };

  let waiting = 0, asking = 0;
  const busy = (on) => {
    clearTimeout(waiting);
    clearInterval(asking);
    if (on) {
      waiting = setTimeout(() => ((root.dataset.busy = "1"), ($("stop").hidden = false)), 250);
      if (server_.place) asking = setInterval(place, PLACE);
    } else {
      root.dataset.busy = "";
      $("stop").hidden = true;
    }
  };
  // Where this run stands among those of other visitors, as long as it waits.
  const place = async () => {
    const mine = sending.flying, told = await server_.place({}).catch(() => ({}));
    if (!told.ahead || !mine || sending.flying !== mine) return;
    const runs = told.ahead === 1 ? "1 run goes" : `${told.ahead} runs go`;
    $("told").textContent = `${runs} before yours: about ${Math.max(1, Math.ceil(told.seconds))} s.`;
  };
  const failed = (text, wish) => {
    $("error").textContent = text;
    root.dataset.state = root.dataset.state === "empty" ? "empty" : "error";
    root.dataset.answers = +(root.dataset.answers || 0) + 1;
    if (wish) sending.shown = wish.key;
  };
  sending.error = (text) => failed(text);

  const pictureOf = async (data, source) => {
    if (run && data.picture === run.picture) return history.shown.picture;
    const uri = data.picture || pictures.get(source);
    if (run && uri === run.picture) return history.shown.picture;
    const image = new Image();
    image.src = data.picture = uri;
    await image.decode();
    return image;
  };
  // A packet: unpacked, shown, kept. `wish` is what was asked, null for one that came by itself.
  const arrive = async (data, wish = null) => {
    const began = performance.now(), mine = ++turn;
    $("error").textContent = "";
    if (data.error) return failed(data.error, wish);
    if (!data.block) return;
    try {
      const source = wish ? wish.asked.source : data.source;
      if (data.picture && source) pictures.set(source, data.picture);
      const [came, picture] = await Promise.all([runOf(data), pictureOf(data, source)]);
      if (mine !== turn) return;
      came.picture = data.picture || pictures.get(source);
      came.asked = wish ? structuredClone(wish.asked) : null;
      settled ||= !!wish && sending.number > 0;
      root.dataset.state = "done";
      if (wish) sending.shown = wish.key;
      if (came.asked && top.note) came.notes = [top.note, ...(came.notes || [])];
      root.toggleAttribute("data-stale", !!wish && sending.can && key() !== sending.shown);
      history.add(came, picture);
      enter(history.shown);
      if (sending.can) {
        rail.text = came.text.N_sys + came.text.N_usr + came.text.N_out;
        if (!came.opened) rail.plan();
      }
      root.dataset.arriveMs = (performance.now() - began).toFixed(1);
      root.dataset.server = JSON.stringify(data.server || {});
      root.dataset.arrived = (performance.timeOrigin + began).toFixed(1);
      requestAnimationFrame(() => setTimeout(() => {
        root.dataset.painted = (performance.timeOrigin + performance.now()).toFixed(1);
        root.dataset.paintedMs = (performance.now() - began).toFixed(1);
        root.dataset.answers = +(root.dataset.answers || 0) + 1;
        root.dataset.run = mine;
      }));
    } catch (error) {
      failed(`The run could not be drawn: ${error.message}`, wish);
    }
  };
  sending.arrive = arrive;

  // When nobody moves anything: repeats of this run in turn with dense ones, if the machine is quiet.
  const rest = () => {
    clearTimeout(quiet);
    const shown = run;
    if (!server_.clock || about.lent || !shown || shown.timed || shown.opened) return;
    quiet = setTimeout(async () => {
      if (document.hidden || sending.flying || run !== shown || !shown.asked) return;
      const told = await server_.clock(shown.asked);
      if (told.error) shown.untimed = told.error;
      else shown.timed = told;
      if (run === shown) drawBill(run);
    }, QUIET);
  };
  sending.rest = rest;

  sending.matters = async () => {
    const shown = run;
    root.dataset.busy = "1";
    shown.matters = await server_.matters({ ...(shown.asked || sending.asked()), force: undefined });
    shown.matters.stamp = performance.now();
    root.dataset.busy = "";
    if (run !== shown) return;
    drawMatter(run);
    drawTokens();
    drawMarks();
  };

  // The controls as they were when a run was made, and that run again.
  sending.recall = async (entry) => {
    const { asked } = entry.run;
    if (!asked) return show(entry);
    rail.set({ method: asked.method, knobs: asked.knobs, seed: asked.seed });
    if (asked.source !== top.source && asked.source) top.show(await server_.picture({ source: asked.source }));
    Object.assign(top, { source: asked.source, image: asked.image });
    $("query").value = asked.query;
    sending.wish(asked.force ? { force: asked.force } : {});
    sending.moved("draw");
  };
  const show = (entry) => enter(entry);

  sending.file = async (name) => {
    const told = root.querySelector(".csp-download");
    told.textContent = `${name}\u2026`;
    const data = await server_.file({ ...sending.asked(), file: name, threshold: s.threshold });
    if (data.error) return (told.textContent = data.error);
    const bytes = Uint8Array.from(atob(data.data), (letter) => letter.charCodeAt(0));
    save(new Blob([bytes], { type: data.type }), data.type, data.name);
    told.textContent = `${data.name}, ${Math.max(1, Math.round(bytes.length / 1024))} kB`;
  };
  sending.reopen = async (file) => {
    busy(true);
    try {
      const { path } = await upload(file);
      await arrive(await server_.reopen({ path, name: file.name }));
    } catch (error) {
      failed(`${file.name} could not be sent: ${error.message || error}`);
    }
    busy(false);
  };
  // Settings that a link tells; the run is made with them.
  sending.link = async (params) => {
    const told = await server_.link(params);
    if (told.error) return failed(told.error);
    if (told.picture) top.show(told.picture);
    if (told.asked) {
      rail.set({ method: told.asked.method, knobs: told.asked.knobs, seed: told.asked.seed });
      $("query").value = told.asked.query ?? $("query").value;
      top.note = (told.notes || []).join(" ");
      sending.wish();
    }
    return told;
  };
  sending.publish = publish;
  return sending;
};
