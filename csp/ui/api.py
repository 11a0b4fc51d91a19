"""The public endpoint: `/run`, the one call that other programs, and agents over MCP, may rely on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, get_args

import gradio as gr
import numpy as np
from numpy.typing import NDArray

from csp.checks import check_choice, check_integer, read_json, shown
from csp.knobs import Knob
from csp.render import figures, typeset
from csp.types import Request, Result, SegMode, Template
from csp.ui.handlers import INTEGERS, Handlers, whole
from csp.ui.pictures import Sent
from csp.ui.saved import rle
from csp.ui.visits import asked
from csp.ui.widgets import answered, picture, unchecked
from csp.ui.zero import on_gpu

DESCRIPTION = (
    "Segment what a query asks for in a picture, with fewer image tokens: reasoning segmentation by words. Returns the mask "
    "(PNG, the picture's size, 0 or 255), the stages side by side (PNG, only with strip = true: drawing takes longer than the "
    "run) and the run in numbers (JSON: image tokens per layer, kept patches of every stage, FLOPs, milliseconds, notes)."
)
MOST_QUERIES = 16
AT_ONCE = 24
"""Calls that wait for the model side by side, so that it can take them visitor by visitor; the rest queue in order of coming."""
FIRST = ("image", "query", "method", *INTEGERS, "cluster", "seed")
LATER: dict[str, Any] = {"knobs": {}, "template": "auto", "seg_mode": "teacher", "strip": False}
"""Parameters that came after the first nine, with their defaults."""
OWN = (*INTEGERS, "cluster")
"""Knobs with parameters of their own: LVLM_CSP's, and ignored by methods that have not all of them."""


def endpoint(handlers: Handlers) -> None:
    """Add `/run` to the page being built; its parameters are the names below, in this order."""
    names = {
        "image": picture(label="image", visible=False),
        "query": unchecked(gr.Textbox(label="query", visible=False), {"anyOf": [_TEXT, {"type": "array", "items": _TEXT}]}),
        "method": unchecked(_menu("method", handlers.methods, "csp")),
        **{knob.name: _control(knob) for knob in handlers.methods["csp"].knobs if knob.name in OWN},
        "seed": unchecked(gr.Number(0, label="seed", visible=False)),
        "knobs": unchecked(gr.JSON(LATER["knobs"], label="knobs", visible=False), {"type": "object", "additionalProperties": {}}),
        "template": unchecked(_menu("template", get_args(Template), LATER["template"])),
        "seg_mode": unchecked(_menu("seg_mode", get_args(SegMode), LATER["seg_mode"])),
        "strip": unchecked(gr.Checkbox(LATER["strip"], label="strip", visible=False)),
    }
    outputs = [
        answered(gr.Image(format="png", label="mask", visible=False)),
        answered(gr.Image(format="png", label="stages", visible=False)),
        gr.JSON(label="run", visible=False),
    ]
    run_model = on_gpu(handlers.session.run_all)

    def run(
        image: Any,
        query: Any,
        method: Any,
        Lc: Any,
        Nc: Any,
        Ls: Any,
        Np: Any,
        cluster: Any,
        seed: Any,
        knobs: Any,
        template: Any,
        seg_mode: Any,
        strip: Any,
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None, Any]:
        own = {"Lc": Lc, "Nc": Nc, "Ls": Ls, "Np": Np, "cluster": cluster}
        how = {"method": method, "seed": seed, "template": template, "seg_mode": seg_mode}
        try:
            queries = _queries(query)
            request, sent = _request(handlers, image, queries[0], own, knobs, how)
            results = [sent.noted(result) for result in run_model(request, queries)]
        except ValueError as error:
            raise gr.Error(str(error), print_exception=False) from error
        mask = sent.enlarged(np.any([result.mask for result in results], axis=0)).astype(np.uint8) * 255
        drawn = typeset.to_array(figures.stages(results)) if strip is True else None
        return mask, drawn, results[0].as_dict() if isinstance(query, str) else [_told(result, sent) for result in results]

    run.__doc__ = _documented(handlers)
    button = gr.Button(visible=False)
    button.click(
        asked(run),
        inputs=list(names.values()),
        outputs=outputs,
        api_name="run",
        api_description=DESCRIPTION,
        api_visibility="public",
        concurrency_id="model",
        concurrency_limit=AT_ONCE,
    )


_TEXT = {"type": "string"}


def _menu(name: str, choices: Iterable[str], value: Any) -> gr.Dropdown:
    return gr.Dropdown(list(choices), value=value, label=name, visible=False)


def _control(knob: Knob) -> Any:
    if knob.choices:
        return unchecked(_menu(knob.name, knob.choices, knob.default))
    return unchecked(gr.Number(knob.default, label=knob.name, visible=False))


def _documented(handlers: Handlers) -> str:
    """What each parameter is, as a docstring, which is where MCP reads it; knobs from the registry."""
    lines = {
        "image": "the picture: a data: URL with base64 of a PNG, JPEG or WebP file, at most 24 MB and 40 megapixels",
        "query": f"what to segment, 1 to 512 characters; or a list of up to {MOST_QUERIES} of them about the same picture",
        "method": "; ".join(f"{name}: {card.label}" for name, card in handlers.methods.items()),
        **{knob.name: f"csp only. {_range(knob)}" for knob in handlers.methods["csp"].knobs if knob.name in OWN},
        "seed": "0 to 2147483647, of what is drawn by lot",
        "knobs": "settings of the chosen method by name, in place of its defaults. "
        + " ".join(f"{name}: {', '.join(map(_range, card.knobs))}." for name, card in handlers.methods.items() if card.knobs),
        "template": "the form of the question: auto tells an expression (refer, in small letters; phrase, as written) from a "
        "sentence; chat adds nothing",
        "seg_mode": "teacher: the answer is given; generated: the model writes it, where it can",
        "strip": "true: also draw the stages side by side",
    }
    return "\n".join([DESCRIPTION, "", "Args:", *(f"    {name}: {text}" for name, text in lines.items())])


def _range(knob: Knob) -> str:
    bounds = "|".join(knob.choices) if knob.choices else f"{knob.low:g}..{knob.high}" if knob.high is not None else knob.kind
    return f"{knob.name} ({bounds}, default {knob.as_text(knob.default)})"


def _queries(query: Any) -> list[str]:
    """One query or several, each with something in it. Raises ValueError naming what will not do."""
    if isinstance(query, list):
        check_integer("the number of queries", len(query), 1, MOST_QUERIES)
    for each in query if isinstance(query, list) else [query]:
        if not isinstance(each, str) or not each.strip():
            raise ValueError(f"the query is empty or no text, got {shown(each)}: type what to look for")
    return query if isinstance(query, list) else [query]


def _request(
    handlers: Handlers, image: Any, query: str, own: Mapping[str, Any], told: Any, how: Mapping[str, Any]
) -> tuple[Request, Sent]:
    """What was asked, its values of the right kinds, and the picture as it was sent. Raises ValueError naming the first that
    will not do.
    """
    if image is None:
        raise ValueError("there is no picture: send one as an uploaded file or a data: URL")
    card = handlers.methods[check_choice("method", how["method"], tuple(handlers.methods))]
    known = {knob.name: knob for knob in card.knobs}
    knobs = {name: whole(name, value) for name, value in own.items()} if known.keys() >= set(OWN) else {}
    for name, value in _mapping(told).items():
        if name not in known:
            raise ValueError(f"{card.name} has no knob {shown(name)}; it has {', '.join(known) or 'none'}")
        knobs[name] = known[name].from_json(value)
    sent = handlers.pictures(image)
    request = Request(
        sent.image,
        query,
        card.name,
        knobs,
        check_integer("seed", whole("seed", how["seed"]), 0, 2**31 - 1),
        handlers.card.name,
        seg_mode=check_choice("seg_mode", how["seg_mode"], get_args(SegMode)),  # type: ignore[arg-type]
        template=check_choice("template", how["template"], get_args(Template)),  # type: ignore[arg-type]
    )
    return request, sent


def _mapping(told: Any) -> Mapping[str, Any]:
    """Knobs as a caller sent them: an object, its JSON text, or nothing."""
    told = getattr(told, "root", told)
    if isinstance(told, str):
        told = read_json(told, "knobs") if told.strip() else None
    if told is None:
        return {}
    if not isinstance(told, dict):
        raise ValueError(f'knobs must be an object such as {{"K": 2, "R": 64}}, got {shown(told)}')
    return told


def _told(result: Result, sent: Sent) -> dict[str, Any]:
    """A run among several: with its own mask, for the picture that is returned shows all of them."""
    return {**result.as_dict(), "mask": rle(sent.enlarged(result.mask))}
