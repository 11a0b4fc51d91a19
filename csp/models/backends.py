"""Ways to run the same layers, by name: all of them answer `csp.decoder.DecoderLayers` over an unmodified decoder."""

from __future__ import annotations

from csp.models.compiled import CompiledLlama
from csp.models.llama import Llama
from csp.models.onednn import OneDNNLlama

BACKENDS: dict[str, type[Llama]] = {"plain": Llama, "onednn": OneDNNLlama, "compiled": CompiledLlama}
