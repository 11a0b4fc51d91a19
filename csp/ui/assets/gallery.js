const root = element.querySelector(".csp-gallery");
const draw = () =>
  root.replaceChildren(
    ...(read().examples || []).map((example) => {
      const button = make("button", { type: "button", title: example.query }, make("img", { src: example.src, alt: example.alt }));
      button.addEventListener("click", () => trigger("pick", { source: example.source, query: example.query }));
      return button;
    }),
  );
watch("value", draw);
draw();
