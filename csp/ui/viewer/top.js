// The two bars above the board: pages, query, Run; the picture with its popover, what one may ask about it; the menu.
const MOST_SIDE = 2048; // pixels of an uploaded picture's longer side that travel: SAM sees 1024 of them
const TABS = [["board", "Board"], ["compare", "Compare"], ["trade-off", "Trade-off"], ["learn", "Learn"]];

const popover = (opener, label, content) => {
  const box = make("dialog", { class: "v-popover", "aria-label": label });
  const shut = () => box.open && box.close();
  opener.addEventListener("click", () => {
    if (box.open) return shut();
    content(box, shut);
    opener.after(box);
    box.show();
    opener.setAttribute("aria-expanded", "true");
    const { left, width } = opener.getBoundingClientRect(), wide = box.offsetWidth;
    box.style.left = `${Math.max(8, Math.min(left, window.innerWidth - wide - 8))}px`;
    box.style.top = `${opener.getBoundingClientRect().bottom + 4}px`;
    box.querySelector("button, input, a")?.focus();
  });
  box.addEventListener("close", () => opener.setAttribute("aria-expanded", "false"));
  box.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    event.stopPropagation();
    shut();
    opener.focus();
  });
  document.addEventListener("pointerdown", (event) => box.open && !box.contains(event.target) && !opener.contains(event.target) && shut());
  return shut;
};

// A picture as it will travel: as it is, or scaled down where a side is longer than needed.
const shrunk = async (file) => {
  const image = await createImageBitmap(file, { imageOrientation: "from-image" });
  const size = [image.width, image.height], k = Math.min(1, MOST_SIDE / Math.max(...size));
  if (k === 1 && file.size < 4e6) return { file, note: "" };
  const canvas = Object.assign(document.createElement("canvas"), { width: Math.round(size[0] * k), height: Math.round(size[1] * k) });
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  const blob = await new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.92));
  const note = k < 1 ? `Your picture of ${size.join(" \u00d7 ")} pixels was scaled to ${canvas.width} \u00d7 ${canvas.height} here, before it travelled: the mask has that size.` : "";
  return { file: new File([blob], "picture.jpg", { type: "image/jpeg" }), note };
};

const makeTop = (root, about, does) => {
  const part = (name) => root.querySelector(`.v-${name}`);
  const top = { source: about.start.source, image: null, offered: about.suggestions || [] };
  const query = part("query"), picture = part("picture");

  const tabs = TABS.map(([name, text]) => {
    const button = make("button", { type: "button", role: "tab", "data-tab": name, text, "aria-selected": "false", tabindex: "-1" });
    button.addEventListener("click", () => does.tab(name));
    return button;
  });
  part("tabs").append(...tabs);
  part("tabs").addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!by) return;
    const next = tabs[(tabs.indexOf(document.activeElement) + by + tabs.length) % tabs.length];
    next.focus();
    next.click();
  });
  top.tab = (name) =>
    tabs.forEach((button) => {
      button.setAttribute("aria-selected", button.dataset.tab === name);
      button.tabIndex = button.dataset.tab === name ? 0 : -1;
    });

  query.value = about.start.query;
  part("ask").addEventListener("submit", (event) => {
    event.preventDefault();
    does.run();
  });
  query.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey) return;
    event.preventDefault();
    does.run();
  });
  query.addEventListener("input", () => does.moved());

  top.suggest = (offered, note = "") => {
    top.offered = offered;
    const buttons = offered.map((one) => {
      const button = make("button", { type: "button", title: about.families[one.family] || "" }, make("small", { text: one.family }), make("span", { text: one.text }));
      button.addEventListener("click", () => {
        query.value = one.text;
        does.run();
      });
      return button;
    });
    part("chips").replaceChildren(...buttons, ...(note ? [make("p", { text: note })] : []));
  };

  const show = (told) => {
    Object.assign(top, { source: told.source, image: null, note: "" });
    top.suggest(told.suggestions);
    if (told.number !== null && told.number !== undefined) top.number = told.number;
  };
  top.show = show;

  // A picture of the album by its source, or a scene by its number.
  const pick = async (asked, words) => {
    const told = await does.server("picture", asked);
    if (told.error) return does.error(told.error);
    show(told);
    query.value = words || told.suggestions[0].text;
    does.run();
  };
  top.pick = pick;

  // A picture of the visitor's own: nothing of the run before stays, and nothing runs until it is asked something.
  top.own = async (file) => {
    does.progress("Reading your picture\u2026");
    try {
      const { file: small, note } = await shrunk(file);
      does.progress("Sending your picture\u2026");
      const { path } = await does.upload(small);
      Object.assign(top, { source: "", image: { path }, note, number: undefined });
      top.suggest([], "Your own picture: type what should be found in it.");
      query.value = "";
      does.fresh(URL.createObjectURL(small), note);
      query.focus();
    } catch (error) {
      does.error(`${file.name || "The file"} cannot be read as a picture (${error.message || "unknown format"}): choose a PNG, JPEG or WebP file.`);
    }
  };
  root.addEventListener("paste", (event) => {
    const file = [...(event.clipboardData?.files || [])].find((one) => one.type.startsWith("image/"));
    if (!file) return;
    event.preventDefault();
    top.own(file);
  });
  root.addEventListener("dragover", (event) => event.dataTransfer?.types.includes("Files") && event.preventDefault());
  root.addEventListener("drop", (event) => {
    const file = event.dataTransfer?.files[0];
    if (!file) return;
    event.preventDefault();
    top.own(file);
  });

  popover(picture, "Picture", (box, shut) => {
    const gallery = make("div", { class: "csp-gallery", role: "group", "aria-label": "Examples" });
    for (const example of about.gallery) {
      const button = make("button", { type: "button", title: example.query }, make("img", { src: example.src, alt: example.alt }));
      button.addEventListener("click", () => {
        shut();
        pick({ source: example.source }, example.query);
      });
      gallery.append(button);
    }
    const file = make("input", { type: "file", accept: "image/*", "aria-label": "A picture of your own", id: "in_image" });
    file.addEventListener("change", () => {
      shut();
      if (file.files[0]) top.own(file.files[0]);
    });
    const rows = [gallery];
    if (about.scenes) {
      const number = make("input", { type: "number", min: 0, step: 1, value: top.number ?? 0, "aria-label": "Scene number" });
      const go = () => {
        shut();
        pick({ scene: number.value === "" ? null : +number.value });
      };
      number.addEventListener("keydown", (event) => {
        if (event.key !== "Enter") return;
        event.preventDefault(); // or the same Enter, its focus back on the opener, would open it again
        go();
      });
      const fresh = make("button", { type: "button", id: "do_scene", text: "New scene" });
      fresh.addEventListener("click", () => {
        shut();
        pick({ scene: Math.floor(Math.random() * 1e6) });
      });
      rows.push(make("div", { class: "v-acts", id: "in_scene" }, make("label", { text: "Scene" }), number, fresh));
    }
    rows.push(make("p", { class: "v-hint", text: "Your own: choose a file, drop one here, or paste one." }), file);
    box.replaceChildren(...rows);
  });
  part("thumb").alt = "";

  popover(part("menu-open"), "More", (box, shut) => {
    const badges = make("ul", { class: "csp-badges", "aria-label": "Model" }, ...about.badges.map((text) => make("li", { text })));
    const files = make("div", { class: "v-acts", role: "group", "aria-label": "Download" });
    for (const name of about.files) {
      const button = make("button", { type: "button", text: name });
      button.addEventListener("click", () => does.file(name));
      files.append(button);
    }
    const open = make("input", { type: "file", accept: ".npz", id: "do_open", "aria-label": "Open a saved run (run.npz)" });
    open.addEventListener("change", () => {
      shut();
      if (open.files[0]) does.reopen(open.files[0]);
    });
    const tabs = make("div", { class: "v-acts v-tabs-small", role: "group", "aria-label": "Pages" });
    for (const [name, text] of TABS) {
      const button = make("button", { type: "button", text });
      button.addEventListener("click", () => {
        shut();
        does.tab(name);
      });
      tabs.append(button);
    }
    const links = make("ul", { class: "v-links" }, ...about.links.map(([text, href]) => make("li", {}, make("a", { href, target: "_blank", rel: "noopener", text }))));
    const reading = (label, names) => {
      const host = make("div", { class: "v-acts", role: "group", "aria-label": label }, make("span", { class: "v-hint", text: label }));
      for (const name of names) {
        const button = make("button", { type: "button", text: name.split("/").slice(-2).join("/") });
        button.addEventListener("click", () => {
          if (!name.endsWith(".ipynb")) shut();
          does.read(name);
        });
        host.append(button);
      }
      return host;
    };
    const { notebooks = [], licences = [] } = about.documents || {};
    const texts = [reading("Code of the method", [does.code()]), ...(notebooks.length ? [reading("Notebooks", notebooks)] : []), ...(licences.length ? [reading("Licences", licences)] : [])];
    const words = make("button", { type: "button", text: "Keys and words" });
    words.addEventListener("click", () => (shut(), does.words()));
    const check = make("button", { type: "button", text: "Self-check" }), again = make("button", { type: "button", text: "Show the replay" });
    check.addEventListener("click", () => (shut(), does.check()));
    again.addEventListener("click", () => (shut(), does.replay()));
    box.replaceChildren(tabs, make("h3", { text: "What runs here" }), badges, make("div", { class: "v-acts" }, check, again, words), make("h3", { text: "Download this run" }), files, make("p", { class: "csp-download", role: "status" }),
      make("h3", { text: "Open a saved run" }), open, make("h3", { text: "Read on" }), links, ...texts);
  });
  top.suggest(top.offered);
  return top;
};
