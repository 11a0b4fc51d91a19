const make = (tag, attributes = {}, ...children) => {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "text") node.textContent = value;
    else node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
};
const svg = (tag, attributes = {}, text = null) => {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  if (text !== null) node.textContent = text;
  return node;
};
const read = () => {
  try {
    return JSON.parse(props.value || "{}") || {};
  } catch (error) {
    return { error: "The answer could not be read: " + error.message };
  }
};
// The old pictures stay until the new ones are decoded: nothing flickers while a slider moves.
const ready = async (sources) => {
  await Promise.all(
    sources.map((source) => {
      const image = new Image();
      image.src = source;
      return image.decode().catch(() => {});
    }),
  );
};
const figure = (panel) => {
  const image = make("img", { src: panel.src, alt: panel.alt, draggable: "false" });
  const button = make("button", { type: "button", class: "csp-zoom", title: "Enlarge" }, image);
  const caption = make("figcaption", {}, make("b", { text: panel.title }), make("span", { text: panel.caption }));
  const node = make("figure", { "data-panel": panel.id }, caption, button);
  button.addEventListener("click", () => {
    const close = make("button", { type: "button", class: "csp-close", text: "Close" });
    const dialog = make(
      "dialog",
      { class: "csp-dialog", "aria-label": panel.title },
      make("p", { text: panel.title + " \u00b7 " + panel.caption }),
      make("img", { src: panel.src, alt: panel.alt }),
      close,
    );
    element.append(dialog);
    close.addEventListener("click", () => dialog.close());
    dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
    dialog.addEventListener("close", () => {
      dialog.remove();
      button.focus();
    });
    dialog.showModal();
  });
  return node;
};

// What long work has told since `before`: a line of JSON each; all of it where it began anew.
const linesSince = (before, now) =>
  (now.startsWith(before) ? now.slice(before.length) : now).split("\n").filter(Boolean).map((line) => {
    try {
      return JSON.parse(line);
    } catch (error) {
      return { error: "The answer could not be read: " + error.message };
    }
  });
