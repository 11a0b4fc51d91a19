// Controls that are buttons: made once, their state follows `s`.
const choice = (box, name, options, label) => {
  const buttons = options.map(([value, text, title]) => {
    const button = make("button", { type: "button", role: "radio", "data-value": value, text, title });
    button.addEventListener("click", () => set({ [name]: value }));
    return button;
  });
  box.append(...(label ? [make("span", { text: label })] : []), ...buttons);
  return () => buttons.forEach((button) => {
    const on = String(s[name]) === button.dataset.value;
    button.setAttribute("aria-checked", on);
    button.tabIndex = on ? 0 : -1;
  });
};
const roving = (box) =>
  box.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 }[event.key];
    if (!by) return;
    event.preventDefault();
    event.stopPropagation();
    const all = [...box.querySelectorAll("[role=radio]:not(:disabled)")], next = all[(all.indexOf(document.activeElement) + by + all.length) % all.length];
    next.focus();
    next.click();
  });
const group = (name, label, options) => {
  const box = make("div", { role: "radiogroup", "aria-label": label, class: "v-group" });
  roving(box);
  $("options").append(box);
  return [choice(box, name, options, label), box];
};
const toggle = (name, text, title) => {
  const button = make("button", { type: "button", text, title, class: "v-toggle" });
  button.addEventListener("click", () => set({ [name]: !s[name] }));
  $("options").append(button);
  return [() => button.setAttribute("aria-pressed", !!s[name]), button];
};
// One of many, as a list that opens.
const pickOne = (name, label, title) => {
  const list = make("select", { "aria-label": label, title }), box = make("label", { class: "v-group" }, make("span", { text: label }), list);
  $("options").append(box);
  list.addEventListener("change", () => set({ [name]: name === "head" ? +list.value : list.value }));
  const draw = () => (list.value = String(s[name]));
  draw.options = (pairs) => list.replaceChildren(...pairs.map(([value, text]) => make("option", { value, text })));
  if (name === "cmap") draw.options(Object.keys(look.heats || {}).map((one) => [one, one]));
  return [draw, box];
};
