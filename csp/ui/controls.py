"""The page's controls: which there are, their ranges for the model at hand, and what moving one does
without asking the server.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import gradio as gr

from csp.render import palette, views
from csp.ui.explore import INTEGERS, THRESHOLDS, Explore
from csp.ui.payload import Look
from csp.ui.widgets import picture, unchecked

CUSTOM = "custom"
PRESET_TABLES = (1, 6)
OFF_PAPER = {
    "uniform": "Uniform's rule",
    "cls": "CLS attention",
    "row": "ranking row",
    "layer": "ranking layer",
}


@dataclass
class Controls:
    """Components by the names that `Explore.ask` knows, and those that only the page needs."""

    asked: dict[str, Any] = field(default_factory=dict)
    sliders: list[Any] = field(default_factory=list)
    choices: list[Any] = field(default_factory=list)
    Lp: Any = None
    preset: Any = None
    live: Any = None


def picture_controls(controls: Controls, query: str, image: Any, source: str) -> None:
    """Picture, where it comes from, and the query."""
    controls.asked["image"] = picture(
        value=image,
        label="Picture",
        sources=["upload", "clipboard"],
        format="png",
        height=232,
        buttons=[],
        elem_id="in_image",
        alt_text="The picture that is asked about",
        render=False,
    )
    controls.asked["source"] = unchecked(
        gr.Textbox(value=source, visible=False, elem_id="in_source", render=False)
    )
    controls.asked["query"] = unchecked(
        gr.Textbox(
            value=query,
            label="Query",
            placeholder="the red ball",
            max_length=512,
            lines=1,
            max_lines=4,
            submit_btn=False,
            elem_id="in_query",
            render=False,
        )
    )


def stage_controls(explore: Explore, controls: Controls) -> None:
    """Method, the three stages, seed; every range is the model's."""
    card = explore.card
    knobs = {knob.name: knob for knob in explore.methods["csp"].knobs}
    start = explore.defaults()
    controls.preset = unchecked(
        gr.Dropdown(
            choices=[CUSTOM, *presets(explore)],
            value=preset_of(explore, start),
            label="Preset",
            info="rows of the paper's tables for this shape",
            elem_id="in_preset",
        )
    )
    controls.asked["method"] = unchecked(
        gr.Dropdown(
            choices=[(method.label, name) for name, method in explore.methods.items()],
            value="csp",
            label="Method",
            elem_id="in_method",
        )
    )
    # Knobs that no control shows, of a point picked on another page.
    controls.asked["picked"] = unchecked(gr.Textbox(value="", visible=False, elem_id="in_picked"))
    controls.asked["cluster"] = unchecked(
        gr.Radio(
            choices=list(knobs["cluster"].choices),
            value=start["cluster"],
            label="Clustering",
            elem_id="in_cluster",
        )
    )
    helps = {
        "Lc": "layers that reason coarsely on Nc tokens",
        "Nc": f"of {card.N} image tokens, selected",
        "Ls": f"layers in which all {card.N} are back",
        "Np": "tokens that [SEG] attends to most, for the rest",
    }
    for name in INTEGERS:
        knob = knobs[name]
        slider = unchecked(
            gr.Slider(
                minimum=int(knob.low),
                maximum=int(knob.high),  # type: ignore[arg-type]
                value=start[name],
                step=1,
                precision=0,
                label=name,
                info=helps[name],
                elem_id=f"in_{name}",
            )
        )
        controls.asked[name] = slider
        controls.sliders.append(slider)
    with gr.Row(elem_id="csp-counts"):
        controls.Lp = gr.Number(
            card.L - start["Lc"] - start["Ls"],
            label="Lp",
            info=f"{card.L} \u2212 Lc \u2212 Ls",
            interactive=False,
            precision=0,
            elem_id="out_Lp",
            min_width=80,
        )
        controls.asked["seed"] = unchecked(
            gr.Number(
                value=0,
                minimum=0,
                precision=0,
                label="Seed",
                info="of what is drawn by lot",
                elem_id="in_seed",
                min_width=80,
            )
        )


def other_controls(explore: Explore, controls: Controls, heads: int) -> None:
    """What the paper does not vary, and how a run is drawn."""
    knobs = {knob.name: knob for knob in explore.methods["csp"].knobs}
    look = Look()
    with gr.Accordion("Off the paper", open=False, elem_id="csp-off"):
        for name, label in OFF_PAPER.items():
            knob = knobs[name]
            controls.asked[name] = unchecked(
                gr.Radio(
                    choices=list(knob.choices),
                    value=knob.default,
                    label=label,
                    info=knob.help,
                    elem_id=f"in_{name}",
                )
            )
        conf = knobs["conf"]
        assert isinstance(conf.high, int | float)  # the catalogue has put numbers in place of "N" and "L"
        controls.asked["conf"] = unchecked(
            gr.Slider(
                minimum=conf.low,
                maximum=conf.high,
                value=conf.default,
                step=0.05,
                label="instance confidence",
                info=conf.help,
                elem_id="in_conf",
            )
        )
        controls.asked["threshold"] = unchecked(
            gr.Slider(
                minimum=THRESHOLDS[0],
                maximum=THRESHOLDS[1],
                value=look.threshold,
                step=0.1,
                label="mask threshold",
                info="logit above which a pixel belongs to the mask",
                elem_id="in_threshold",
            )
        )
    with gr.Accordion("View", open=False, elem_id="csp-view"):
        controls.asked["opacity"] = unchecked(
            gr.Slider(
                minimum=0,
                maximum=1,
                value=look.opacity,
                step=0.05,
                label="heat opacity",
                elem_id="in_opacity",
            )
        )
        controls.asked["scale"] = unchecked(
            gr.Radio(choices=list(views.SCALES), value=look.scale, label="heat scale", elem_id="in_scale")
        )
        controls.asked["cmap"] = unchecked(
            gr.Radio(choices=list(palette.COLORMAPS), value=look.cmap, label="colours", elem_id="in_cmap")
        )
        controls.asked["head"] = unchecked(
            gr.Dropdown(
                choices=["mean", *map(str, range(heads))],
                value=look.head,
                label="head",
                info="of the layer that ranks",
                elem_id="in_head",
            )
        )
    controls.sliders += [controls.asked[name] for name in ("conf", "threshold", "opacity")]
    names = ("cluster", "method", *OFF_PAPER, "scale", "cmap", "head")
    controls.choices = [controls.asked[name] for name in names]
    controls.live = gr.Checkbox(
        value=explore.card.device == "cpu" and explore.card.name == "park",
        label="Run as controls move",
        elem_id="in_live",
    )


def presets(explore: Explore) -> dict[str, dict[str, Any]]:
    """The paper's rows for this model's shape, by a label for people: method and knobs; dense last."""
    out: dict[str, dict[str, Any]] = {}
    for row in explore.session.presets().values():
        if row.table in PRESET_TABLES:
            label = f"Table {row.table}, {row.label}" if row.knobs else row.label
            out.setdefault(label, {"method": row.method, **(row.knobs or {})})
    return dict(sorted(out.items(), key=lambda item: (len(item[1]) == 1, item[0])))


def preset_of(explore: Explore, knobs: dict[str, Any]) -> str:
    """The label of the preset with these Lc, Nc, Ls, Np."""
    rows = presets(explore).items()
    return next((label for label, row in rows if all(row.get(n) == knobs[n] for n in INTEGERS)), CUSTOM)


STALE = "document.querySelector('.csp-results')?.setAttribute('data-stale', '1');"


def js_stale() -> str:
    """A control has moved: the result on screen is no longer what the controls say."""
    return f"() => {{ {STALE} }}"


def js_layers(L: int, moved: str) -> str:
    """Lc + Ls + Lp = L always: the one that moves takes layers from the other, then from Lp. (Lc, Ls) ->
    (other, Lp, preset, method).
    """
    other = "Math.min(ls, L - lc)" if moved == "Lc" else "Math.min(lc, L - ls)"
    lp = "L - lc - other" if moved == "Lc" else "L - ls - other"
    return f"(lc, ls) => {{ {STALE} const L = {L}; const other = {other}; return [other, {lp}, '{CUSTOM}', 'csp']; }}"


def js_custom() -> str:
    """Nc or Np has moved: no longer a preset, and no longer dense. () -> (preset, method)."""
    return f"() => {{ {STALE} return ['{CUSTOM}', 'csp']; }}"


def js_preset(explore: Explore) -> str:
    """A preset is chosen. (preset, method, Lc, Nc, Ls, Np, cluster) -> (method, Lc, Nc, Ls, Np, cluster,
    Lp).
    """
    table = json.dumps(presets(explore))
    names = ", ".join(INTEGERS)
    return (
        f"(preset, method, {names}, cluster) => {{ {STALE} const rows = {table}; "
        f"const row = {{method, {names}, cluster, ...(rows[preset] || {{}})}}; "
        f"return [row.method, row.Lc, row.Nc, row.Ls, row.Np, row.cluster, {explore.card.L} - row.Lc - row.Ls]; }}"
    )
