const card = read();
element
  .querySelector(".csp-head")
  .replaceChildren(
    make("h1", { text: "LVLM_CSP" }),
    make("p", { text: "See every image token: clustering, scattering, pruning" }),
    make("ul", { class: "csp-badges", "aria-label": "Model" }, ...(card.badges || []).map((text) => make("li", { text }))),
  );
