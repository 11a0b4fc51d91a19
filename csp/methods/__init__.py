"""The registry: a new method is one file here and one word in ``METHODS``."""

from __future__ import annotations

from csp.methods.base import Knob, Method, build, knobs, values
from csp.methods.csp import CSP
from csp.methods.full import Full
from csp.methods.presets import PRESETS, Preset

METHODS: dict[str, type[Method]] = {method.name: method for method in (Full, CSP)}

__all__ = ["CSP", "METHODS", "PRESETS", "Full", "Knob", "Method", "Preset", "build", "knobs", "values"]
