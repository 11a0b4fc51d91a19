"""Decoders of every family run layer by layer: their own forward, and their own eager attention, in float64."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import AutoModel

from csp.decoder import decode
from csp.methods import CSP, Full
from csp.models.decoders import build_decoder, decoder_config, family, revive
from csp.models.llama import Llama
from csp.models.probe import probe
from csp.tokens import TokenSequence
from tests import tiny_decoder as tiny

SIZES: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 16,
    "max_position_embeddings": 64,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": None,
}
WINDOW = {"sliding_window": 7}
FAMILIES: dict[str, dict[str, Any]] = {
    "llama": {},
    "mistral": WINDOW | {"head_dim": 16},
    "qwen2": WINDOW | {"use_sliding_window": True, "max_window_layers": 2, "rope_theta": 1e6},
    "qwen3": {"head_dim": 16},
    "gemma": {"head_dim": 16},
    "gemma2": WINDOW | {"head_dim": 16, "attn_logit_softcapping": 2.0, "query_pre_attn_scalar": 16},
    "gemma3_text": WINDOW
    | {"head_dim": 16, "query_pre_attn_scalar": 16, "layer_types": ["sliding_attention", "full_attention"] * 2},
    "phi3": WINDOW,
}


def decoder(name: str, dtype: torch.dtype = torch.float64) -> Any:
    """A random decoder whose biases and norms matter, and whose attention is peaked."""
    llm = build_decoder(decoder_config(SIZES | {"model_type": name} | FAMILIES.get(name, {})))
    llm = llm.to_empty(device="cpu").to(dtype)
    revive(llm, torch.device("cpu"))
    rng = torch.Generator().manual_seed(0)
    for weight in llm.parameters():
        weight.data = torch.randn(weight.shape, generator=rng, dtype=dtype) * (0.3 if weight.ndim == 1 else 0.25)
    return llm.eval().requires_grad_(False)


@pytest.fixture(params=FAMILIES)
def llm(request: pytest.FixtureRequest) -> Any:
    return decoder(request.param)


def own(llm: Any, hidden: torch.Tensor) -> Any:
    """What the decoder's own forward gives with eager attention, in a copy that is let go."""
    eager = AutoModel.from_config(llm.config, attn_implementation="eager", dtype=hidden.dtype).eval()
    eager.load_state_dict(llm.state_dict())
    with torch.no_grad():
        return eager(inputs_embeds=hidden, output_attentions=True, use_cache=False)


def test_layers_and_rows_are_the_models_own(llm: Any) -> None:
    start = tiny.start()
    start = start.with_hidden(start.hidden.double())
    theirs = own(llm, start.hidden)
    maps = torch.stack([map_[0] for map_ in theirs.attentions])
    (row,) = start.layout.I_seg
    layers = Llama(llm)
    ours = decode(layers, start, Full().plan(16, 4))
    # The trace is float32, and so is every softmax.
    torch.testing.assert_close(ours.seg_state, theirs.last_hidden_state[0, [row]], rtol=0, atol=2e-6)
    torch.testing.assert_close(torch.tensor(ours.trace.A_SEG), maps[:, :, row, 3:19].mean(dim=1).float(), rtol=0, atol=1e-6)
    rows = torch.tensor([row, 9])
    ids, hidden = start.position_ids, start.hidden
    for layer in range(4):
        heads = layers.attention(layer, hidden, ids, rows)
        torch.testing.assert_close(heads, maps[layer][:, rows].float(), rtol=0, atol=1e-6)
        hidden = layers.run(layer, 1, hidden, ids).hidden


def test_rows_that_follow_others_are_as_if_run_with_them(llm: Any) -> None:
    hidden, ids = tiny.embeds().double(), torch.arange(28)
    layers = Llama(llm)
    whole = layers.extend(0, 4, hidden, ids[None], record=torch.tensor([[27]]))
    first = layers.extend(0, 4, hidden[:, :20], ids[None, :20])
    then = layers.extend(0, 4, hidden[:, 20:], ids[None, 20:], first.past, record=torch.tensor([[7]]))
    torch.testing.assert_close(then.hidden, whole.hidden[:, 20:], rtol=0, atol=2e-6)
    torch.testing.assert_close(then.rows, whole.rows, rtol=0, atol=1e-6)


def test_csp_runs_and_unreduced_it_is_dense(llm: Any) -> None:
    start = tiny.start()
    start = start.with_hidden(start.hidden.double())
    layers = Llama(llm)
    dense = decode(layers, start, Full().plan(16, 4))
    whole = decode(layers, start, CSP(Lc=1, Nc=16, Ls=1, Np=16).plan(16, 4))
    torch.testing.assert_close(whole.seg_state, dense.seg_state, rtol=0, atol=1e-9)
    few = decode(layers, start, CSP(Lc=1, Nc=4, Ls=1, Np=2).plan(16, 4))
    assert few.trace.n_per_layer == (4, 16, 2, 2) and few.seg_state.isfinite().all()


def test_words_are_scaled_as_the_model_scales_them() -> None:
    llm = decoder("gemma")
    words = torch.tensor([[3, 5, 7]])
    with torch.no_grad():
        theirs = llm(input_ids=words).last_hidden_state
        where = tiny.layout(N_sys=1, N=1, N_usr=1, N_out=0, grid=(1, 1), I_seg=(2,))
        start = TokenSequence.start(llm.get_input_embeddings()(words), where)
        ours = decode(Llama(llm), start, Full().plan(1, 4))
    torch.testing.assert_close(ours.seg_state, theirs[0, 2:], rtol=0, atol=1e-6)


def test_the_probe_lets_every_family_pass(llm: Any) -> None:
    before = {name: weight.clone() for name, weight in llm.state_dict().items()}
    probe(llm)
    assert all(torch.equal(weight, before[name]) for name, weight in llm.state_dict().items())
    assert llm.config.num_hidden_layers == 4 and len(llm.layers) == 4


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("qwen3", r"a qwen3 decoder .* attention of the heads in a layer of full_attention by"),
        ("mistral", r"a mistral decoder .* final states by .* recorded rows in a layer of sliding_attention"),
        ("gemma2", r"a gemma2 decoder .* attention of the heads"),
    ],
)
def test_the_probe_names_what_differs(monkeypatch: pytest.MonkeyPatch, name: str, wrong: str) -> None:
    """Each family without the part that makes it differ from a Llama."""
    llm = decoder(name)
    from csp.models import families, llama

    if name == "qwen3":
        bare = families.projected
        monkeypatch.setattr(llama, "projected", lambda attn, x, which: bare(_Without(attn, f"{which}_norm"), x, which))
    elif name == "mistral":
        monkeypatch.setattr(llama, "kinds", lambda llm: (families.Kind("sliding_attention"),) * len(llm.layers))
    else:
        bare_product = families.product
        monkeypatch.setattr(
            llama, "product", lambda attn, q, k: bare_product(_Without(attn, "attn_logit_softcapping"), q, k)
        )
    with pytest.raises(ValueError, match=wrong):
        probe(llm)


class _Without:
    def __init__(self, whole: Any, name: str) -> None:
        self._whole, self._name = whole, name

    def __getattr__(self, name: str) -> Any:
        return None if name == self._name else getattr(self._whole, name)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("glm", "a glm decoder run layer by layer differs"),
        ("cohere", "a cohere decoder run layer by layer differs"),
        ("gpt2", r"a gpt2 decoder are not made as those that can be run here \(AttributeError: .*'layers'"),
    ],
)
def test_the_probe_refuses_what_it_cannot_run(name: str, why: str) -> None:
    torch.manual_seed(0)
    config = AutoModel.from_config(_config(name))
    for weight in config.parameters():
        weight.data = torch.randn_like(weight) * 0.25
    with pytest.raises(ValueError, match=why):
        probe(config)


def _config(name: str) -> Any:
    from transformers import CONFIG_MAPPING

    return CONFIG_MAPPING[name](**SIZES)


@pytest.mark.parametrize(
    ("said", "found"),
    [("llava", "llama"), (None, "llama"), ("llama", "llama"), ("llava_qwen2", "qwen2"), ("llava_mistral", "mistral")],
)
def test_the_family_is_what_config_says(said: str | None, found: str) -> None:
    assert family({"model_type": said}) == found


def test_a_family_that_transformers_does_not_have() -> None:
    with pytest.raises(ValueError, match="model_type 'internlm2', a decoder that transformers does not have: llama, mistral"):
        family({"model_type": "internlm2"})
