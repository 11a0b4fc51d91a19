const root = element.querySelector(".csp-chips");
const draw = () => {
  const data = read();
  root.replaceChildren(
    ...(data.suggestions || []).map((one) => {
      const button = make("button", { type: "button" }, make("small", { text: one.family }), make("span", { text: one.text }));
      button.addEventListener("click", () => trigger("choose", { text: one.text }));
      return button;
    }),
    ...(data.note ? [make("p", { text: data.note })] : []),
    ...(data.error ? [make("p", { role: "alert", text: data.error })] : []),
  );
};
watch("value", draw);
draw();
