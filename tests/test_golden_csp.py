"""LVLM_CSP against an independent float64 decoder that shares nothing with transformers."""

import numpy as np
import pytest
import tiny_decoder as tiny
import torch

from csp.decoder import decode
from csp.methods import CSP, Full
from csp.models.llama import Llama


def run(method):
    model = tiny.golden_llama()
    return decode(Llama(model), tiny.golden_start(), method.plan(256, len(model.layers)))


def final(out):
    with torch.no_grad():
        return tiny.golden_llama().norm(out.sequence.hidden)[0]


def test_dense():
    golden = tiny.golden("llm").run("dense")
    out = run(Full())
    torch.testing.assert_close(final(out), golden["last_hidden"].float(), atol=2e-4, rtol=0)
    np.testing.assert_allclose(out.trace.A_SEG[-1], golden["a_seg"], atol=5e-6)


@pytest.mark.parametrize("id", ["csp.4_64_3_16", "csp.2_32_4_32", "csp.8_16_6_48"])
def test_three_stages(id):
    golden = tiny.golden("llm").run(id)
    described = tiny.golden("llm").runs[id]
    params = described["params"]
    out = run(CSP(**{knob: params[knob] for knob in ("Lc", "Nc", "Ls", "Np")}))
    trace = out.trace
    assert trace.stage("clustering").patches.tolist() == golden["S"].tolist()
    assert trace.stage("pruning").patches.tolist() == golden["kept"].tolist()
    assert list(trace.n_per_layer) == described["image_tokens_per_layer"]
    assert trace.n_avg == pytest.approx(described["N_avg"])
    a_seg = golden["a_seg"]
    np.testing.assert_allclose(trace.stage("pruning").score, a_seg, atol=5e-6)
    assert trace.rank_layer == params["Lc"] + params["Ls"] - 1
    torch.testing.assert_close(out.seg_state.flatten(), golden["seg_hidden"].flatten().float(), atol=2e-4, rtol=0)
    assert out.sequence.slots.tolist() == golden["rows"].tolist()
    torch.testing.assert_close(final(out), golden["last_hidden"].float(), atol=2e-4, rtol=0)
