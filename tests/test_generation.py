"""Written answers: the staged prefill and the cache behind them, token for token."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tiny_decoder as tiny
import torch
from test_shared import METHODS
from transformers import LlamaConfig, LlamaForCausalLM

from csp.decoder import Decoded, decode, decode_all
from csp.generation import Memory, write
from csp.methods import Full
from csp.models.llama import Llama
from csp.tokens import TokenSequence


def prompt_into(memory: Memory, start: TokenSequence, plan: Any, vision: Any = None) -> Decoded:
    return decode_all(memory, [start], plan, [vision])[0]


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_full_writes_what_transformers_generates(attention: str) -> None:
    torch.manual_seed(1)
    config = LlamaConfig(
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
        vocab_size=97,
        initializer_range=0.3,
        bos_token_id=1,
        eos_token_id=None,
        pad_token_id=0,
        attn_implementation=attention,
    )
    model = LlamaForCausalLM(config).eval()
    where = tiny.layout(N_out=0, I_seg=(24,), answer="generated")
    embeds = tiny.embeds(3, where.T)
    mask = torch.ones(1, where.T, dtype=torch.long)
    with torch.no_grad():
        theirs = model.generate(inputs_embeds=embeds, attention_mask=mask, max_new_tokens=24, do_sample=False)[0].tolist()
    memory = Memory(Llama(model.model))
    prefill = prompt_into(memory, TokenSequence.start(embeds, where), Full().plan(tiny.N, 4))

    def written(**options: Any) -> Any:
        again = Memory(Llama(model.model))
        prompt_into(again, TokenSequence.start(embeds, where), Full().plan(tiny.N, 4))
        return write(again, prefill.sequence.hidden[:, -1], model.get_input_embeddings(), model.lm_head, **options)

    ours = written(most=24)
    assert list(ours.ids) == theirs and len(set(theirs)) > 4
    assert ours.n_run == 23 and written(most=24, run_last={theirs[-1]}).n_run == 24
    stopped = written(most=24, stop={theirs[3]})
    assert list(stopped.ids) == theirs[: theirs.index(theirs[3]) + 1]


@pytest.mark.parametrize("method", METHODS, ids=lambda m: m.name)
@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_steps_after_any_plan_are_the_rows_of_the_whole_sequence(method: Any, attention: str) -> None:
    """The answer's rows, run one by one over what each layer kept, against one pass over everything."""
    layers = Llama(tiny.llama(attention=attention))
    # Ranked by the prompt's last row in both, so that the answer has no say in what is kept.
    method = type(method)(**{**vars(method), **({"query": "seg"} if "query" in vars(method) else {})})
    plan = method.plan(tiny.N, 8)
    embeds = tiny.embeds(2)
    whole = decode(layers, TokenSequence.start(embeds, tiny.layout(I_rank=(24,))), plan, tiny.vision())
    memory = Memory(layers)
    prompt = tiny.layout(N_out=0, I_seg=(24,), answer="generated")
    before = prompt_into(memory, TokenSequence.start(embeds[:, : prompt.T], prompt), plan, tiny.vision())
    rows = [memory.step(embeds[:, at : at + 1]) for at in range(prompt.T, embeds.shape[1])]
    torch.testing.assert_close(torch.cat(rows, dim=1), whole.sequence.hidden[:, -3:], atol=1e-4, rtol=0)
    torch.testing.assert_close(before.seg_state, whole.seg_state, atol=1e-5, rtol=0)
    np.testing.assert_allclose(before.trace.A_SEG, whole.trace.A_SEG, atol=1e-5)


def test_a_memory_changes_nothing() -> None:
    plain = tiny.run(record="heads")
    start, plan = tiny.start(), Full().plan(tiny.N, 8)
    (kept,) = decode_all(Memory(Llama(tiny.llama())), [start], plan, [tiny.vision()], record="heads")
    assert torch.equal(plain.seg_state, kept.seg_state)
    np.testing.assert_array_equal(plain.trace.A_SEG, kept.trace.A_SEG)
    assert set(kept.trace.heads) == set(range(8))
    for layer, heads in plain.trace.heads.items():
        np.testing.assert_array_equal(heads, kept.trace.heads[layer])


def test_rows_of_an_unwritten_answer_are_refused() -> None:
    from csp.methods import CSP, FastV

    prompt = tiny.start(N_out=0, answer="generated")
    for method, who in ((CSP(2, 8, 2, 4, row="answer"), "csp with row='answer'"), (FastV(query="paper", R=4), "fastv with")):
        with pytest.raises(ValueError, match=f"{who}.* reads rows of the answer, which is not written yet"):
            tiny.run(method, sequence=prompt)
    # The last row there is stands in where the authors read the last token.
    assert tiny.run(FastV(R=4), sequence=prompt).trace.stage("kept").n == 4
