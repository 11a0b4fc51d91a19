const root = element.querySelector(".csp-four");
const draw = () => {
  const data = read();
  root.querySelector(".csp-alert").textContent = data.error || "";
  root.querySelector(".csp-panels").replaceChildren(...(data.panels || []).map(figure));
};
watch("value", draw);
draw();
