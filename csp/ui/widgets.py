"""Gradio components as the page needs them: controls that leave checking to us, and HTML with constant templates.

Data reaches the HTML only as JSON in `value`, drawn with textContent: Gradio evaluates templates as code, so a
visitor's words must never meet one.
"""

from __future__ import annotations

import base64
import binascii
import json
import time
from abc import ABCMeta
from collections.abc import Callable, Mapping
from importlib.resources import files
from typing import Any, TypeVar

import gradio as gr
from gradio.data_classes import GradioRootModel, ImageData
from gradio.utils import get_upload_folder, is_in_or_equal

from csp.checks import read_json
from csp.ui import room

C = TypeVar("C", bound=gr.components.Component)


def asset(name: str) -> str:
    """A script, style or template of the page."""
    return (files("csp.ui") / "assets" / name).read_text(encoding="utf-8")


def pack(data: Any) -> str:
    """Data as the page's scripts read it. "<" is escaped, so that no reader takes the text for markup."""
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")


def unchecked(component: C, schema: dict[str, Any] | None = None) -> C:
    """The component, handing its value on as it came: `Handlers` says what is wrong, in the same words everywhere.

    ``schema``: what the API's description says of the value, where it may be more than the component would take.
    """
    more = {} if schema is None else {"api_info": lambda self: schema}
    return _preprocessed(component, lambda self, payload: payload, **more)


def answered(component: C) -> C:
    """The component as an output, a full disk told in words."""
    written = type(component).postprocess

    def postprocess(self: Any, value: Any) -> Any:
        try:
            return written(self, value)
        except OSError as error:
            if not room.full(error):
                raise
            raise gr.Error(room.WORDS, print_exception=False) from error

    return _preprocessed(component, type(component).preprocess, postprocess=postprocess)


def picture(**kwargs: Any) -> gr.Image:
    """A picture that is handed on as its file's path: reading it, and saying what is wrong, is `csp.images`' work."""
    component = gr.Image(type="filepath", image_mode=None, **kwargs)
    return _preprocessed(component, lambda self, sent: _file(sent and sent.root, self.GRADIO_CACHE), data_model=Sent)


class Sent(GradioRootModel):
    """A picture as a caller sent it, whatever that is, documented as Gradio's own."""

    root: Any

    @classmethod
    def model_json_schema(cls, *args: Any, **kwargs: Any) -> dict[str, Any]:
        return ImageData.model_json_schema(*args, **kwargs)


def _preprocessed(component: C, preprocess: Callable[[Any, Any], Any], **more: Any) -> C:
    """The component with a `preprocess` (and more) of ours, through a class of its own.

    An attribute of the instance would be lost: Gradio builds a component anew, from its class, for every visitor whose
    handler skips or updates it. The class is made below Gradio's metaclass, which would write a stub file beside this one.
    """
    kind = type(component)
    names = {"preprocess": preprocess, "__module__": kind.__module__, **more}
    component.__class__ = ABCMeta.__new__(type(kind), kind.__name__, (kind,), names)
    return component


def html(name: str, value: Any, elem_id: str, **kwargs: Any) -> gr.HTML:
    """An HTML component from assets/NAME.html and NAME.js, its script after the shared one, its value packed."""
    return gr.HTML(
        value=pack(value),
        html_template=asset(f"{name}.html"),
        js_on_load=asset("shared.js") + asset(f"{name}.js"),
        elem_id=elem_id,
        apply_default_css=False,
        **kwargs,
    )


def _file(sent: Any, uploads: str) -> str | bytes | None:
    """The path of an uploaded file, or the bytes of a data: URL; a file that nobody uploaded is not read."""
    if sent is None:
        return None
    path, url = (sent.get("path"), sent.get("url") or "") if isinstance(sent, dict) else (sent, sent)
    if not isinstance(sent, dict) or not isinstance(path or "", str) or not isinstance(url, str):
        words = 'the picture must be {"path": an uploaded file} or {"url": "data:image/png;base64,..."}, got '
        raise gr.Error(words + _short(sent), print_exception=False)
    if url.startswith("data:"):
        return _decoded(url)
    if path and ("\0" in path or not is_in_or_equal(path, uploads)):
        raise gr.Error(f"{_short(path)} was not uploaded: send the file to /upload first", print_exception=False)
    return path or None


def uploaded(sent: Any) -> str | bytes | None:
    """The path of an uploaded file, or the bytes of a data: URL. Raises ValueError for a file that nobody uploaded."""
    try:
        return _file(sent, get_upload_folder())
    except gr.Error as error:
        raise ValueError(error.message) from error


def received(sent: Mapping[str, Any]) -> dict[str, Any]:
    """Controls from a browser: an uploaded picture as its path, everything else as it came."""
    out = {str(name): value for name, value in sent.items()}
    if out.get("image") is not None:
        out["image"] = uploaded(out["image"])
    return out


def stamped(answer: dict[str, Any]) -> dict[str, Any]:
    """An answer with a stamp, so that none is taken for the one before."""
    return answer | {"stamp": time.time_ns()}


def settings(elem_id: str = "csp-settings") -> gr.HTML:
    """What the board's controls say, as an input of other pages' events: a mapping, its picture an uploaded file; or the words
    that say what is wrong with it.
    """
    component = gr.HTML(
        value=pack({}), html_template="<span></span>", js_on_load=asset("settings.js"), elem_id=elem_id, visible="hidden"
    )

    def read(self: gr.HTML, sent: Any) -> dict[str, Any] | str:
        try:
            told = read_json(sent if isinstance(sent, str) else "{}", "settings", finite=False)
            return received(told) if isinstance(told, dict) else "settings must be a mapping: reload the page"
        except ValueError as error:
            return str(error)

    return _preprocessed(component, read)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _decoded(url: str) -> bytes:
    head, _, data = url.partition(",")
    try:
        if not head.endswith(";base64"):
            raise binascii.Error("it is not base64")
        return base64.b64decode(data, validate=True)
    except binascii.Error as error:
        words = f"the picture's data URL cannot be decoded ({error}); send base64 of an image file"
        raise gr.Error(words, print_exception=False) from error
