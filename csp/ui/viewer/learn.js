// The lecture: one step at a time over the board. What is asked of the page (settings, runs, views) goes through `does`.
const makeLessons = (host, does) => {
  const articles = [...host.querySelectorAll("article")], list = host.querySelector(".l-list"), answer = host.querySelector(".l-answer"), offer = host.querySelector(".l-offer");
  const [back, next] = ["back", "next"].map((name) => host.querySelector(`.l-${name}`));
  const lesson = { step: 1, guess: null, base: null, did: false, run: null, kept: null, inside: false, wanted: null, answered: new Set() };
  const here = () => STEPS[lesson.step - 1];
  const titles = articles.map((article) => article.dataset.title);

  const dots = titles.map((title, i) => {
    const button = make("button", { type: "button", title: `${i + 1} ${title}` });
    button.addEventListener("click", () => lesson.go(i + 1, true));
    return button;
  });
  list.append(...dots);
  const progress = () => dots.forEach((button, i) => {
    const current = i + 1 === lesson.step, done = lesson.answered.has(i + 1);
    button.dataset.done = done ? "1" : "";
    button.setAttribute("aria-current", current ? "step" : "false");
    button.setAttribute("aria-label", `Step ${i + 1}: ${titles[i]}${done ? ", answered" : ""}`);
  });

  // The one control of a step: a knob of the method, a view, a layer. It stands in the text and moves what the board moves.
  const shows = [];
  const knobOf = (name) => does.knobs().find((knob) => knob.name === name);
  const control = (told) => {
    if (told.knob) {
      const knob = knobOf(told.knob), range = make("input", { type: "range", min: knob.low, max: knob.high, step: 1, "aria-label": `${knob.name}, in the lesson` }), box = make("output");
      const put = (how) => does.knob({ [told.knob]: +range.value }, how);
      range.addEventListener("input", () => ((box.textContent = range.value), put("rest")));
      range.addEventListener("change", () => put("set"));
      shows.push((asked) => {
        range.value = asked.knobs[told.knob];
        box.textContent = asked.knobs[told.knob];
      });
      return make("label", { class: "l-knob", "data-knob": told.knob }, make("b", { text: knob.name }), range, box, make("small", { text: knob.help }));
    }
    if (told.choice) {
      const knob = knobOf(told.choice), box = make("div", { class: "l-radio", role: "radiogroup", "aria-label": knob.help, "data-knob": told.choice });
      const inputs = knob.choices.map((value) => {
        const input = make("input", { type: "radio", name: `lesson-${told.choice}`, value });
        input.addEventListener("change", () => does.knob({ [told.choice]: value }, "set"));
        box.append(make("label", {}, input, make("span", { text: value })));
        return input;
      });
      shows.push((asked) => inputs.forEach((input) => (input.checked = input.value === asked.knobs[told.choice])));
      return box;
    }
    const act = {
      view: () => does.show({ view: told.view }),
      layer: () => does.show({ layer: told.layer(lesson.run), scrubbed: true }),
      mask: () => does.show({ maskView: told.mask, dense: true, truth: true }),
      fewest: () => does.knob(does.fewest().knobs, "set"),
    };
    const kind = Object.keys(act).find((name) => told[name]), button = make("button", { type: "button", class: "l-do", text: told.text || does.fewest().text });
    button.addEventListener("click", () => {
      act[kind]();
      answer.focus({ preventScroll: true });
    });
    return button;
  };

  articles.forEach((article, i) => {
    const guesses = make("div", { class: "l-choices", role: "group", "aria-label": "Your guess" });
    STEPS[i].choices.forEach((text, choice) => {
      const button = make("button", { type: "button", text, "aria-pressed": "false" });
      button.addEventListener("click", () => {
        lesson.guess = choice;
        guesses.querySelectorAll("button").forEach((one, k) => one.setAttribute("aria-pressed", k === choice));
        // space goes on from here, it does not guess again
        answer.focus({ preventScroll: true });
        check(does.state());
      });
      guesses.append(button);
    });
    article.querySelector(".l-ask").append(guesses, make("div", { class: "l-controls" }));
  });
  const wire = () => {
    shows.length = 0;
    articles.forEach((article, i) => article.querySelector(".l-controls").replaceChildren(...(i + 1 === lesson.step ? (here().controls || []).map(control) : [])));
    shows.forEach((show) => show(does.asked()));
  };

  // A symbol lights its control and its tokens.
  const light = (symbol) => {
    for (const node of host.querySelectorAll(".l-lit")) node.classList.remove("l-lit");
    if (symbol) host.querySelector(`.l-controls [data-knob="${symbol}"]`)?.classList.add("l-lit");
    does.light(symbol && lesson.run ? tokensOf(lesson.run, symbol) : [], symbol);
  };
  for (const node of host.querySelectorAll("[data-sym]")) {
    node.setAttribute("tabindex", "0");
    for (const name of ["pointerenter", "focus"]) node.addEventListener(name, () => light(node.dataset.sym));
    for (const name of ["pointerleave", "blur"]) node.addEventListener(name, () => light(""));
  }

  back.addEventListener("click", () => lesson.go(lesson.step - 1, true));
  next.addEventListener("click", () => lesson.go(lesson.step + 1, true));
  document.addEventListener("keydown", (event) => {
    const at = event.target, typing = at.matches?.("input:not([type=range], [type=radio]), textarea, select, button, a, summary, [role=slider], dialog *");
    if (!lesson.inside || event.key !== " " || typing || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    if (lesson.step < STEPS.length) lesson.go(lesson.step + 1, true);
  });

  const csp = () => does.asked().method === "csp";
  const offered = () => {
    const other = does.live() && !csp();
    offer.hidden = !other;
    if (other) offer.firstChild.textContent = `The lecture is about LVLM_CSP; the board shows ${does.label()}. `;
  };
  offer.querySelector("button").addEventListener("click", () => {
    does.method("csp");
    lesson.go(lesson.step, true);
  });

  // The state that a step begins with: the model's own defaults and what the step changes; another method is left alone.
  const assume = () => {
    offered();
    if (!does.live() || !csp()) return (lesson.wanted = null);
    lesson.wanted = { ...does.defaults(), ...here().knobs?.(does.defaults()) };
    does.settle(lesson.wanted);
  };
  const begun = (run) => lesson.wanted && Object.entries(lesson.wanted).every(([name, value]) => String(run.knobs[name]) === String(value));
  const stage = () => lesson.run && does.show({ ...OUTLINES, threshold: 0, pins: [], at: -1, rest: -1, ...here().show(lesson.run), ...lesson.at });

  // `act`: put the board into the step's state; `at`: where a link leads within it.
  lesson.go = (step, act, at = null) => {
    lesson.step = Math.min(Math.max(step, 1), STEPS.length);
    Object.assign(lesson, { guess: null, base: null, did: false, at, wanted: null });
    answer.replaceChildren();
    answer.removeAttribute("data-right");
    articles.forEach((article, i) => (article.hidden = i + 1 !== lesson.step));
    host.querySelectorAll(".l-choices [aria-pressed]").forEach((button) => button.setAttribute("aria-pressed", "false"));
    back.disabled = lesson.step === 1;
    next.disabled = lesson.step === STEPS.length;
    host.dataset.step = lesson.step;
    host.scrollTop = 0;
    progress();
    if (act && lesson.inside) {
      assume();
      wire();
      stage();
      if (lesson.run && (!lesson.wanted || begun(lesson.run))) lesson.base = lesson.run;
      check(does.state());
    }
    does.moved();
  };
  // What the visitor had is put back when the lecture is left.
  lesson.enter = (at) => {
    lesson.inside = true;
    lesson.kept = does.live() ? structuredClone(does.asked()) : null;
    lesson.go(lesson.step, true, at);
  };
  lesson.leave = () => {
    if (!lesson.inside) return;
    lesson.inside = false;
    light("");
    does.show({ ...OUTLINES, large: null, lit: [] });
    if (lesson.kept) does.restore(lesson.kept);
  };

  const check = (s) => {
    const { run, base, guess } = lesson, step = here();
    if (!lesson.inside || !run || !base) return;
    const did = step.done(run, s, base);
    lesson.did ||= did;
    const moved = step.keeps ? lesson.did : did;
    if (guess === null) {
      answer.removeAttribute("data-right");
      answer.textContent = moved && step.todo ? "You have moved it already: guess, and see." : "";
      return;
    }
    if (!moved) {
      answer.removeAttribute("data-right");
      answer.textContent = `Noted. ${step.todo}`;
      return;
    }
    const [right, words] = step.tell(run, s, base);
    answer.dataset.right = guess === right ? "1" : "0";
    answer.replaceChildren(make("b", { text: guess === right ? "As you guessed. " : `Not \u201c${step.choices[guess]}\u201d but \u201c${step.choices[right]}\u201d. ` }), make("span", { text: words }));
    lesson.answered.add(lesson.step);
    progress();
  };
  lesson.onRun = (run, s) => {
    lesson.run = run;
    const values = liveValues(run);
    for (const node of host.querySelectorAll("[data-live]")) node.textContent = values[node.dataset.live];
    if (!lesson.inside) return;
    offered();
    shows.forEach((show) => does.live() && show(does.asked()));
    // the run with which the step begins: what is moved later is held against it
    if (!lesson.base && (!lesson.wanted || begun(run))) {
      lesson.base = run;
      queueMicrotask(stage);
    }
    check(s);
  };
  lesson.onState = check;
  lesson.count = STEPS.length;
  return lesson;
};
