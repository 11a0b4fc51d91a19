"""Which decoder a config.json describes, and that decoder without weights: any of transformers' own classes.

A LISA checkpoint says model_type "llava", which transformers would build as something else; what its decoder is says the
rest of the name ("llava_qwen2"), and a Llama is what is meant where nothing is said.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

import torch
from transformers import CONFIG_MAPPING, MODEL_MAPPING, PreTrainedConfig

from csp.checks import check_number
from csp.models.weights import LoadReport, on_meta

MOST_THETA = 1e12
NEEDED = ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "vocab_size")
_SPELLED = {"llava": "llama", "lisa": "llama", "": "llama", "gemma3": "gemma3_text"}
_NEVER = ("attn_implementation", "dtype", "torch_dtype", "tie_word_embeddings", "num_key_value_heads", "rope_parameters")


def family(config: Mapping[str, Any]) -> str:
    """The model_type by which transformers knows the decoder. Raises ValueError where it knows none of that name."""
    said = str(config.get("model_type") or "").lower()
    name = said.removeprefix("llava_").removeprefix("llava-").removeprefix("lisa_")
    name = _SPELLED.get(name, name)
    if name not in CONFIG_MAPPING or CONFIG_MAPPING[name] not in MODEL_MAPPING:
        raise ValueError(
            f"config.json says model_type {said!r}, a decoder that transformers does not have: llama, mistral, qwen2, qwen3, "
            "gemma and their kin can be run"
        )
    return name


def decoder_config(config: Mapping[str, Any]) -> PreTrainedConfig:
    """The decoder's own config, from the one of a checkpoint: sizes must be there, all else has the family's defaults.

    Raises ValueError for sizes that are missing or do not fit each other.
    """
    kind = family(config)
    missing = [name for name in NEEDED if name not in config]
    if missing:
        raise ValueError(f"config.json lacks {', '.join(missing)}: it does not describe a Llama decoder, nor one of its kin")
    _check_sizes(config)
    made: Any = CONFIG_MAPPING[kind]
    known = {field.name for field in fields(made)} - set(_NEVER)
    settings: dict[str, Any] = {name: value for name, value in config.items() if name in known}
    heads = config.get("num_key_value_heads") or config["num_attention_heads"]
    try:
        return made(**settings, num_key_value_heads=heads, tie_word_embeddings=False, **_rope(config))
    except Exception as error:  # each field has a validator of its own, which raises what it likes
        why = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(f"config.json does not describe a {kind} decoder ({why}): fetch it again") from error


def _check_sizes(config: Mapping[str, Any]) -> None:
    """Whole numbers that fit each other. Raises ValueError naming those that do not."""
    again = "config.json is not this model's: fetch it again, from where the weights are from"
    for name in (*NEEDED, "num_key_value_heads"):
        value = config.get(name)
        if (name in NEEDED or value is not None) and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
            raise ValueError(f"{name} must be a whole number from 1, got {value!r:.40}: {again}")
    heads, keys = config["num_attention_heads"], config.get("num_key_value_heads") or config["num_attention_heads"]
    if not config.get("head_dim") and config["hidden_size"] % heads:
        raise ValueError(f"hidden_size {config['hidden_size']} is no multiple of num_attention_heads {heads}: {again}")
    if heads % keys:
        raise ValueError(f"num_attention_heads {heads} is no multiple of num_key_value_heads {keys}: {again}")


def check_found(config: PreTrainedConfig, names: Iterable[str], head_dim: int | None, report: LoadReport) -> None:
    """Whether config.json speaks of as many layers as the weights hold (``names`` begin with "layers.N."), and of heads as wide
    as their rotary tables (``head_dim``) where those were kept: neither shows in any tensor's shape.
    """
    made: Any = config
    layers = {int(name.split(".")[1]) for name in names if name.startswith("layers.") and name.split(".")[1].isdigit()}
    if layers and max(layers) + 1 != made.num_hidden_layers:
        report.refuse(
            f"config.json speaks of {made.num_hidden_layers} layers and the weights hold {max(layers) + 1}: fetch both again, "
            "from one place"
        )
    width = getattr(made, "head_dim", None) or made.hidden_size // made.num_attention_heads
    if head_dim not in (None, width):
        report.refuse(
            f"config.json's {made.num_attention_heads} heads are {width} wide and those of the weights {head_dim}: fetch both "
            "again, from one place"
        )


def build_decoder(config: PreTrainedConfig) -> Any:
    """The decoder without its head and without weights, on the device "meta"; attention by SDPA where it can."""
    made: Any = MODEL_MAPPING[type(config)]
    try:
        return on_meta(lambda: made._from_config(config, attn_implementation="sdpa" if made._supports_sdpa else "eager"))
    except KeyError as error:  # an activation, a kind of rotary scaling
        raise ValueError(f"config.json asks for {error}, which transformers does not have: fetch it again") from error
    except AssertionError as error:  # torch's own checks of sizes
        raise ValueError(f"config.json asks for sizes that do not fit together ({error}): fetch it again") from error


def revive(llm: Any, device: torch.device) -> None:
    """Make what no checkpoint holds, now that weights are in: rotary tables, and the scale of scaled embeddings (Gemma)."""
    llm.rotary_emb = type(llm.rotary_emb)(llm.config).to(device)
    scale = getattr(llm.embed_tokens, "scalar_embed_scale", None)
    if scale is not None:
        llm.embed_tokens.embed_scale = torch.tensor(scale, device=device)


def _rope(config: Mapping[str, Any]) -> dict[str, Any]:
    """Rotary settings in transformers' own spelling, from the older one with rope_theta and rope_scaling."""
    if config.get("rope_parameters"):
        told = dict(config["rope_parameters"])
        if "rope_theta" in told:
            check_number("rope_theta", told["rope_theta"], 1, MOST_THETA)
        return {"rope_parameters": told}
    if not {"rope_theta", "rope_scaling"} & set(config):
        return {}
    scaling = dict(config.get("rope_scaling") or {})
    kind = scaling.pop("type", "default")
    theta = {"rope_theta": check_number("rope_theta", config["rope_theta"], 1, MOST_THETA)} if "rope_theta" in config else {}
    return {"rope_parameters": {"rope_type": kind, **scaling, **theta}}
