// All selectors' clustering stages side by side; one is taken by a click.
const fourDialog = async () => {
  root.dataset.busy = "1";
  const told = await server_.four(sending.asked());
  root.dataset.busy = "";
  if (told.error) return sending.error(told.error);
  const picture = new Image();
  picture.src = told.runs[0].picture;
  await picture.decode();
  const figures = [];
  for (const packet of told.runs) {
    const one = await runOf({ ...packet, picture: told.runs[0].picture });
    const [below, above] = [make("canvas", { "aria-hidden": "true" }), make("canvas")];
    const drawing = makeBoard(below, above, look);
    drawing.load(one, picture);
    const side = Math.min(260, Math.max(120, Math.floor((window.innerWidth - 120) / (narrow() ? 2 : 4))));
    drawing.fit(side, side);
    drawing.draw({ ...s, view: "state", layer: 1, head: -1 });
    const hit = packet.objects ? `, ${packet.hit} of ${packet.objects} objects` : "";
    const button = make("button", { type: "button", "aria-label": `${packet.cluster}: ${one.stages[0].alt} Take it.` }, below);
    button.addEventListener("click", () => {
      button.closest("dialog").close();
      rail.set({ knobs: { cluster: packet.cluster } });
      sending.moved("set");
    });
    figures.push(make("figure", {}, make("figcaption", {}, make("b", { text: packet.cluster }), make("span", { text: `${one.stages[0].n} of ${one.N}${hit}` })), button));
  }
  showDialog("Four selectors", make("div", {}, make("h3", { text: "Who stands for the picture? All selectors with these settings" }), make("div", { class: "v-four" }, ...figures)));
};
