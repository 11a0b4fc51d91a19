"""DivPrune, CDPruner, LiteLVLM and IVC-Prune against tensors from their authors' own code, run by run."""

import copy
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import tiny_decoder as tiny
import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn.functional import gelu, layer_norm, linear
from transformers import CLIPTextConfig, CLIPTextModelWithProjection

from csp.decoder import View, decode, decode_all
from csp.generation import Memory
from csp.methods.cdpruner import CDPruner, greedy_map, kernel, relevance
from csp.methods.divprune import DivPrune, distances, farthest, share
from csp.methods.ivcprune import IVCPrune, alike
from csp.methods.litelvlm import LiteLVLM, context_scores, select
from csp.models.llama import Llama
from csp.tokens import TokenSequence, VisionFeatures, Wording, by_score
from csp.trace import Box, Layout

S = 35
GRID = (16, 16)


def of(method: str, folder: str = "vision") -> list[str]:
    return [id for id, run in tiny.newer(folder).runs.items() if run["method"] == method]


def params(id: str, folder: str = "vision") -> dict:
    return tiny.newer(folder).runs[id]["params"]


@cache
def weights() -> dict[str, torch.Tensor]:
    return load_file(tiny.NEWER / "vision" / "model.safetensors")


def project(features: torch.Tensor) -> torch.Tensor:
    """The stored projector."""
    w = weights()
    hidden = gelu(linear(features, w["mm_projector.0.weight"], w["mm_projector.0.bias"]))
    return linear(hidden, w["mm_projector.2.weight"], w["mm_projector.2.bias"])


@cache
def tower() -> VisionFeatures:
    """The stored CLIP tower: queries, keys and values of its last layer, and its patches in the common space."""
    data = tiny.newer("vision")
    states = data("input.hidden_states_minus_2")
    norm = [data(f"layers.23.layer_norm1.{part}") for part in ("weight", "bias")]
    normed = layer_norm(states, [32], *norm, eps=data.index["layer_norm_eps"])
    q, k, v = (linear(normed, *(data(f"layers.23.self_attn.{n}_proj.{part}") for part in ("weight", "bias"))) for n in "qkv")
    torch.testing.assert_close(v, data("layer23.v"), atol=1e-5, rtol=0)
    after = [data(f"post_layernorm.{part}") for part in ("weight", "bias")]
    common = layer_norm(states[1:], [32], *after, eps=data.index["layer_norm_eps"]) @ data("visual_projection.weight").T
    torch.testing.assert_close(common, data("input.image_embeds"), atol=2e-5, rtol=0)
    return VisionFeatures(
        states=states, q_last=q[0], k_last=k, q_prev=q[0], k_prev=k, num_heads=4, project=project, v_last=v, common=lambda: common
    )


def enter(method, texts: str | None = None):
    """What a method makes of the stored projected tokens behind 35 rows of text; texts: the stored embeddings to read."""
    data = tiny.newer("vision")
    layout = Layout(S, 256, 3, 2, GRID, Box(0, 0, 224, 224), (S + 258,))
    torch.testing.assert_close(project(tower().patches), data("input.projected"), atol=2e-5, rtol=0)
    text = torch.zeros(S + 5, 144)
    wording = Wording("?", "?", lambda text, long: data(f"{texts}.embeds"))
    start = TokenSequence.start(torch.cat([text[:S], data("input.projected"), text[S:]]), layout, wording)
    view = View(Llama(tiny.llama()), start, start, 0, None, tower(), torch.Generator())
    (stage,) = method.plan(256, 32)
    choice = stage.enter(view)
    return start.with_image(choice.image, stage.positions), choice


def check_handed_on(method, golden, texts: str | None = None) -> None:
    """The tokens in their order, their numbers in both ways, and the features."""
    sequence, choice = enter(method, texts)
    assert (choice.image.slots - S).tolist() == golden["handed_on"].tolist()
    assert sequence.position_ids.tolist() == list(range(sequence.n))
    assert golden["position_ids"].tolist() == list(range(S, S + method.T))
    out = golden["out"]
    if out.shape[1] != 144:  # LiteLVLM hands on features before the projector
        torch.testing.assert_close(tower().patches[choice.image.slots - S], out, atol=1e-6, rtol=0)
        out = project(out)
    torch.testing.assert_close(choice.image.hidden[0], out, atol=2e-5, rtol=0)
    sequence, choice = enter(type(method)(**vars(method) | {"positions": "original"}), texts)
    assert (choice.image.slots - S).tolist() == golden["kept"].tolist()
    assert torch.equal(sequence.position_ids, sequence.slots)


@pytest.mark.parametrize("id", of("divprune"))
def test_divprune(id):
    golden, T = tiny.newer("vision").run(id), params(id)["T"]
    assert share(params(id)["ratio"], 256) == T
    distance = distances(tiny.newer("vision")("input.projected"))
    order, gaps = farthest(distance, T)
    assert order.tolist() == golden["order"].tolist()
    torch.testing.assert_close(gaps, golden["scores"], atol=2e-6, rtol=0)
    nearest = distance.clone().fill_diagonal_(torch.inf).amin(dim=0)
    torch.testing.assert_close(nearest, golden["first_scores"], atol=2e-6, rtol=0)
    check_handed_on(DivPrune(T), golden)


@pytest.mark.parametrize("id", of("cdpruner"))
def test_cdpruner(id):
    data = tiny.newer("vision")
    golden, T, text = data.run(id), params(id)["T"], params(id)["text"]
    r = relevance(data("input.image_embeds"), data(f"{text}.embeds"))
    torch.testing.assert_close(r, golden["relevance"], atol=2e-6, rtol=0)
    K = kernel(data("input.projected"), r)
    torch.testing.assert_close(K.diagonal(), golden["kernel_diagonal"], atol=4e-6, rtol=0)
    order, gains = greedy_map(K, T)
    assert order.tolist() == golden["order"].tolist()
    torch.testing.assert_close(gains, golden["gains"], atol=2e-6, rtol=0)
    check_handed_on(CDPruner(T), golden, text)


@pytest.mark.parametrize("id", of("litelvlm"))
def test_litelvlm(id):
    data = tiny.newer("vision")
    golden, settings = data.run(id), params(id)
    T, text = settings["T"], settings["text"]
    similarity = data(f"{text}.embeds") @ data("input.image_embeds").T
    torch.testing.assert_close(similarity, golden["similarity"], atol=2e-5, rtol=0)
    context = context_scores(tower().q_last, tower().k_last[1:], tower().v_last[1:])
    torch.testing.assert_close(context, golden["context_scores"], atol=1e-7, rtol=0)
    handed_on = select(similarity, context, T)
    assert handed_on.tolist() == golden["handed_on"].tolist()
    n = settings["context_tokens"]
    assert handed_on[n:].tolist() == golden["union"].tolist()
    assert handed_on[:n].tolist() == [i for i in golden["context_order"].tolist() if i not in golden["union"]][:n]
    check_handed_on(LiteLVLM(T), golden, text)


@pytest.mark.parametrize("text", ["cdp.one", "cdp.second", "cdp.long", "lite.one", "lite.two", "lite.three"])
def test_texts_as_the_tower_reads_them(text):
    """transformers' own text tower on the stored ids: what methods are handed is what the authors' code saw."""
    data = tiny.newer("vision")
    model = CLIPTextModelWithProjection(CLIPTextConfig(**data.index["text_config"])).eval()
    model.load_state_dict({name: value for name, value in weights().items() if name.startswith("text_")})
    with torch.no_grad():
        found = model(data(f"text.{text}.input_ids"), attention_mask=data(f"text.{text}.attention_mask")).text_embeds
    torch.testing.assert_close(found, data(f"text.{text}.embeds"), atol=2e-6, rtol=0)
    assert not any(isinstance(part, nn.Dropout) and part.p for part in model.modules())


# --- inside the decoder


@cache
def llama(dtype: torch.dtype):
    """The stored decoder; in float64 with norms and rotary tables that stay there, where transformers' drop to float32."""
    model = tiny.golden_llama() if dtype == torch.float32 else copy.deepcopy(tiny.golden_llama()).double()
    if dtype == torch.float64:
        for layer in model.layers:
            layer.input_layernorm, layer.post_attention_layernorm = (
                Norm64(layer.input_layernorm),
                Norm64(layer.post_attention_layernorm),
            )
        model.norm, model.rotary_emb = Norm64(model.norm), Rotary64()
    return model


class Norm64(nn.RMSNorm):
    def __init__(self, norm):
        super().__init__(len(norm.weight), norm.variance_epsilon, dtype=torch.float64)
        self.weight.data = norm.weight.data.double()


class Rotary64(nn.Module):
    def forward(self, hidden, position_ids):
        angle = position_ids[..., None] * 10000.0 ** (-torch.arange(0, 12, 2, dtype=torch.float64) / 12)
        return torch.cat([angle, angle], -1).cos(), torch.cat([angle, angle], -1).sin()


def run(method, prompt: bool, dtype: torch.dtype = torch.float32):
    model = llama(dtype)
    start = tiny.golden_start(dtype, prompt)
    return decode(Llama(model), start, method.plan(256, len(model.layers)))


def last_hidden(out, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    with torch.no_grad():
        return llama(dtype).norm(out.sequence.hidden)[0]


OFFICIAL = [id for id, run_ in tiny.newer("llm").runs.items() if run_["source"] == "official"]
HALVED = [id for id in tiny.newer("llm").runs if id not in OFFICIAL]


@pytest.mark.parametrize("id", OFFICIAL)
def test_ivcprune(id):
    golden, described = tiny.newer("llm").run(id), tiny.newer("llm").runs[id]
    method = IVCPrune(k=described["params"]["ivcp_k"])
    out = run(method, prompt=id.endswith("prompt"))
    stage = out.trace.stage("coordinates")
    assert (stage.slots - 11).tolist() == golden["kept"].tolist()
    np.testing.assert_allclose(stage.score, golden["foreground_scores"], atol=1e-7, rtol=0)
    assert out.sequence.slots.tolist() == golden["rows"].tolist()
    assert out.sequence.position_ids.tolist() == golden["position_ids"].tolist()
    torch.testing.assert_close(last_hidden(out), golden["last_hidden"], atol=2e-4, rtol=0)
    assert list(out.trace.n_per_layer) == described["image_tokens_per_layer"]
    assert out.trace.n_avg == pytest.approx(described["N_avg"])
    counts = described["params"]["counts"]
    assert method._counts(256) == (counts["seeds"], counts["foreground"], counts["ivc_cos"])


@pytest.mark.parametrize("id", OFFICIAL)
def test_ivcprunes_memory_and_the_next_token(id):
    """What is left for a written answer: layer 0 whole, the others cut; one step at the next position of the whole sequence."""
    golden, described = tiny.newer("llm").run(id), tiny.newer("llm").runs[id]
    model, start = tiny.golden_llama(), tiny.golden_start(prompt=id.endswith("prompt"))
    memory, method = Memory(Llama(model)), IVCPrune(k=described["params"]["ivcp_k"])
    decode_all(memory, [start], method.plan(256, 18), [None])
    assert memory.lengths == tuple(golden["kv_lengths"].tolist())
    assert set(memory._next.values()) == {described["decode_position"]}
    rows: list[torch.Tensor] = []
    with torch.no_grad():
        hidden = model.norm(memory.step(model.embed_tokens(torch.tensor([[5]])), rows))[0, 0]
    torch.testing.assert_close(hidden, golden["decode_hidden"], atol=2e-4, rtol=0)
    # Told over all rows of the stage, nothing where rows were lost.
    first = rows[0]
    assert first.shape == (method.k, start.n) and (first[0] > 0).all()
    assert (first[1:] > 0).sum(dim=1).tolist() == [len(golden["rows"])] * (method.k - 1)
    whole = Memory(Llama(model))
    decode_all(whole, [start], replace(method, cache="whole").plan(256, 18), [None])
    assert whole.lengths == (start.n,) * method.k + (len(golden["rows"]),) * (18 - method.k)


@pytest.mark.parametrize("id", OFFICIAL)
def test_ivcprunes_parts(id):
    """Seeds, anchors, foreground and the two sets of coordinates, each by itself, from the stored states."""
    golden, described = tiny.newer("llm").run(id), tiny.newer("llm").runs[id]
    layers, k = Llama(tiny.golden_llama()), described["params"]["ivcp_k"]
    with torch.no_grad():
        values = layers.values(k - 1, golden["states_scored"][None])
        cos, sin = (table.mean(dim=-1) for table in layers.rotary(k - 1, golden["states_scored"], torch.arange(11, 267)))
        question = torch.arange(269, described["params"]["rows"])
        named = alike(values, question)[:, 11:267].mean(dim=0)
        torch.testing.assert_close(named, golden["seed_scores"], atol=1e-7, rtol=0)
        seeds = by_score(named)[:3]
        assert set(seeds.tolist()) == set(golden["seeds"].tolist())
        anchors = torch.cat([11 + seeds, question])
        assert set(anchors.tolist()) == set(golden["anchors"].tolist())
        score = alike(values, anchors)[:, 11:267].mean(dim=0)
        torch.testing.assert_close(score, golden["foreground_scores"], atol=1e-7, rtol=0)
    assert set(by_score(score)[:51].tolist()) == set(golden["foreground"].tolist())
    for name, table in (("cos", cos), ("sin", sin)):
        torch.testing.assert_close(table, golden[f"{name}_mean"], atol=5e-6, rtol=0)
        assert set(by_score(table)[:13].tolist()) == set(golden[f"ivc_{name}"].tolist())


@pytest.mark.parametrize("id", HALVED)
@pytest.mark.parametrize(("dtype", "atol"), [(torch.float32, 2e-4), (torch.float64, 1e-9)])
def test_ivcprune_with_half_the_shares(id, dtype, atol):
    golden, described = tiny.newer("llm").run(id), tiny.newer("llm").runs[id]
    shares = described["params"]["shares"]
    method = IVCPrune(described["params"]["ivcp_k"], 0, shares["seeds"], shares["foreground"], shares["ivc_each"])
    out = run(method, id.endswith("prompt"), dtype)
    assert (out.trace.stage("coordinates").slots - 11).tolist() == golden["kept"].tolist()
    assert out.sequence.slots.tolist() == golden["rows"].tolist()
    assert list(out.trace.n_per_layer) == described["image_tokens_per_layer"]
    torch.testing.assert_close(last_hidden(out, dtype), golden["last_hidden"].to(dtype), atol=atol, rtol=0)
