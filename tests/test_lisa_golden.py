"""A checkpoint in the hub's format gives what the official LISA code gave on it. Tolerances are of its own
README.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from csp.checkpoints import load
from csp.decoder import Decoded, decode
from csp.methods import Full
from csp.models.answers import Writer
from csp.models.lisa import Lisa
from csp.models.parts import Seen
from csp.models.prompt import LlamaPrompt, Prompt, read_slots
from csp.tokens import TokenSequence
from csp.types import Layout

DATA = Path(__file__).parent / "data/lisa"
IMAGE = -200
# Case, conversation.
FORCED = [("s0", 0), ("s1", 0), ("s2", 0), ("s2", 1)]
GENERATED = [("e1", "s1"), ("e2", "s2")]


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    with np.load(DATA / "golden.npz") as file:
        return dict(file)


@pytest.fixture(scope="module")
def model() -> Lisa:
    return load(
        DATA / "lisa-tiny",
        clip=DATA / "clip-vit-tiny-patch14",
        sam=DATA / "sam_config.json",
        device="cpu",
        dtype="float32",
    )


def prompt_of(ids: list[int], seg_id: int) -> Prompt:
    """The prompt of official ids: the answer begins with the first [SEG]."""
    at = ids.index(IMAGE)
    after = ids[at + 1 :]
    start = after.index(seg_id)
    usr, out = after[:start], after[start:]
    return Prompt(tuple(ids[:at]), tuple(usr), tuple(out), read_slots(usr, out, seg_id, "before"), ())


def dense(model: Lisa, seen: Seen, prompt: Prompt) -> tuple[Layout, torch.Tensor, Decoded]:
    embeds, layout = model.embed(seen, prompt)
    return (
        layout,
        embeds,
        decode(model.layers, TokenSequence.start(embeds, layout), Full().plan(model.N, model.L), seen.vision),
    )


def close(ours: torch.Tensor, theirs: np.ndarray, atol: float) -> None:
    torch.testing.assert_close(ours.cpu(), torch.from_numpy(theirs), rtol=0, atol=atol)


def test_sizes_and_ids_come_from_the_folder(model: Lisa) -> None:
    assert (model.N, model.L, model.llm.config.hidden_size) == (256, 6, 64)
    assert model.prompter.seg_id == 64 and model.llm.config.rms_norm_eps == 1e-5
    assert model.name == "lisa-tiny" and model.seg_row == "before"


@pytest.mark.parametrize("case", ["s0", "s1", "s2"])
def test_what_the_towers_see(model: Lisa, golden: dict[str, np.ndarray], case: str) -> None:
    seen = model.encode(golden[f"{case}/raw_image"])
    close(seen.vision.patches[None], golden[f"{case}/clip_features"], 5e-5)
    close(model.project(seen.vision.patches)[None], golden[f"{case}/image_features"], 5e-5)
    close(seen.embedding, golden[f"{case}/sam_image_embedding"], 1e-4)
    assert list(seen.sam_input) == golden[f"{case}/resize"].tolist()


@pytest.mark.parametrize(("case", "conversation"), FORCED)
def test_teacher_forced_masks(
    model: Lisa, golden: dict[str, np.ndarray], case: str, conversation: int
) -> None:
    g = {name.split("/")[1]: value for name, value in golden.items() if name.startswith(f"{case}/")}
    here = g["seg_conv"] == conversation
    ids = g["input_ids"][conversation][g["attention_mask"][conversation].astype(bool)].tolist()
    seen = model.encode(g["raw_image"])
    layout, _, ran = dense(model, seen, prompt_of(ids, model.prompter.seg_id))

    assert list(layout.I_seg) == g["seg_read_index"][here].tolist()
    assert layout.N_sys == g["image_start"] and layout.T == len(ids) + 255
    close(model.layers.norm(ran.sequence.hidden)[0], g["last_hidden_state"][conversation, : layout.T], 5e-5)
    close(ran.seg_state, g["seg_hidden"][here], 5e-5)
    # Eq. 8's row at every layer is the mean over heads of what the official model attends to.
    np.testing.assert_allclose(ran.trace.A_SEG, g["attn_read_to_image"][here][0].mean(1), atol=2e-5)

    close(model.text_hidden_fcs(ran.seg_state), g["pred_embeddings"][here], 5e-5)
    logits, iou = model.masks(seen, ran.seg_state)
    close(logits[:, None], g["low_res_masks"][here], 3e-4)
    close(iou[:, None], g["iou_predictions"][here], 1e-4)


@pytest.mark.parametrize(("case", "conversation"), FORCED)
def test_hidden_states_of_every_layer(
    model: Lisa, golden: dict[str, np.ndarray], case: str, conversation: int
) -> None:
    g = {name.split("/")[1]: value for name, value in golden.items() if name.startswith(f"{case}/")}
    here = g["seg_conv"] == conversation
    ids = g["input_ids"][conversation][g["attention_mask"][conversation].astype(bool)].tolist()
    embeds, layout = model.embed(model.encode(g["raw_image"]), prompt_of(ids, model.prompter.seg_id))
    hidden, at, states = embeds[None], layout.I_seg[0], [embeds[layout.I_seg[0]]]
    for layer in range(model.L):
        hidden = model.layers.run(layer, 1, hidden, torch.arange(layout.T)).hidden
        states.append(hidden[0, at])
    states[-1] = model.layers.norm(states[-1])
    close(torch.stack(states)[None], g["hidden_all_layers_at_read"][here], 1e-4)


@pytest.mark.parametrize(("case", "picture"), GENERATED)
def test_several_masks_of_one_answer(
    model: Lisa, golden: dict[str, np.ndarray], case: str, picture: str
) -> None:
    g = {name.split("/")[1]: value for name, value in golden.items() if name.startswith(f"{case}/")}
    seen = model.encode(golden[f"{picture}/raw_image"])
    layout, _, ran = dense(model, seen, prompt_of(g["output_ids"][0].tolist(), model.prompter.seg_id))
    assert list(layout.I_seg) == g["seg_read_index"].tolist() and len(layout.I_seg) == 2
    close(model.text_hidden_fcs(ran.seg_state), g["pred_embeddings"], 5e-5)
    close(model.masks(seen, ran.seg_state)[0][:, None], g["low_res_masks"], 3e-4)


@pytest.mark.parametrize(("case", "picture"), [("e0", "s0"), *GENERATED])
def test_written_answers(model: Lisa, golden: dict[str, np.ndarray], case: str, picture: str) -> None:
    """Greedy decoding over a cache writes what the official code writes without one, [SEG] or not."""
    g = {name.split("/")[1]: value for name, value in golden.items() if name.startswith(f"{case}/")}
    ids, official = g["prompt_ids"][0].tolist(), g["output_ids"][0].tolist()
    at = ids.index(IMAGE)
    prompt = Prompt(tuple(ids[:at]), tuple(ids[at + 1 :]), (), (), (), answer="generated")
    seen = model.encode(golden[f"{picture}/raw_image"])
    start = TokenSequence.start(*model.embed(seen, prompt))
    ran, written = Writer(model)(start, Full().plan(model.N, model.L), seen.vision, most=len(official) - len(ids))
    assert [*ids, *written] == official
    assert list(ran.trace.layout.I_seg) == g["seg_read_index"].tolist()
    close(model.text_hidden_fcs(ran.seg_state), g["pred_embeddings"], 5e-5)
    logits, iou = model.masks(seen, ran.seg_state)
    close(logits[:, None], g["low_res_masks"], 3e-4)
    close(iou[:, None], g["iou_predictions"], 1e-4)


def test_a_written_answer_from_end_to_end(model: Lisa, golden: dict[str, np.ndarray]) -> None:
    result = model.segment(golden["s0/raw_image"], "the tree", Full(), seg_mode="generated", max_new_tokens=5)
    assert result.text and result.trace.layout.N_out == 4 and result.trace.layout.N_usr == len(result.words)
    assert len(result.masks) == result.text.count("[SEG]") == len(result.trace.layout.I_seg)


def test_written_tokens_as_words(model: Lisa) -> None:
    prompter = model.prompter
    assert isinstance(prompter, LlamaPrompt)
    ids = prompter.encode(["Sure, it is", prompter.seg_id, " and", prompter.seg_id, ".", prompter.eos_id])
    assert prompter.decode(ids) == "Sure, it is [SEG] and [SEG]."
    assert prompter.decode([]) == "" and prompter.decode([prompter.seg_id, 9999]) == "[SEG]"


@pytest.mark.parametrize(
    ("template", "query", "asked"),
    [
        ("refer", "The Tree", "\n What is the tree in this image? Please output segmentation mask. ASSISTANT: "),
        ("phrase", "The Tree", "\n What is The Tree in this image? Please output segmentation mask. ASSISTANT: "),
        ("sentence", "The Tree", "\n The Tree Please output segmentation mask. ASSISTANT: "),
        ("chat", "The Tree?", "\nThe Tree? ASSISTANT: "),
        ("auto", "The Tree", "\n What is the tree in this image? Please output segmentation mask. ASSISTANT: "),
        ("auto", "Is it?", "\n Is it? Please output segmentation mask. ASSISTANT: "),
    ],
)
def test_forms_of_a_question(model: Lisa, template: Any, query: str, asked: str) -> None:
    prompter = model.prompter
    assert isinstance(prompter, LlamaPrompt)
    prompt = prompter(query, "generated", template=template)
    assert [*prompt.usr, prompter.seg_id] == prompter.encode([prompter.added["<im_end>"], asked, prompter.seg_id])
    assert prompt.out == prompt.I_seg == ()
    with pytest.raises(ValueError, match="template must be one of auto, refer, phrase, sentence, chat, got 'free'"):
        prompter(query, template="free")  # type: ignore[arg-type]


def test_pixels_of_the_picture(model: Lisa, golden: dict[str, np.ndarray]) -> None:
    """From logits to the picture's own size by numpy alone, as SAM's postprocessing does it."""
    from csp.types import resize_bilinear

    for case in ("s0", "s1", "s2", "e1", "e2"):
        picture = golden[f"{dict(GENERATED).get(case, case)}/raw_image"]
        low, full = golden[f"{case}/low_res_masks"][:, 0], golden[f"{case}/pred_masks"]
        h, w = model.mask_head.resized(*picture.shape[:2])
        size = model.mask_head.image_size
        ours = resize_bilinear(resize_bilinear(low, (size, size))[:, :h, :w], picture.shape[:2])
        np.testing.assert_allclose(ours, full, atol=3e-4)
        assert ((ours > 0) == (full > 0)).mean() > 0.9999


def test_a_query_from_end_to_end(model: Lisa, golden: dict[str, np.ndarray]) -> None:
    result = model.segment(golden["s0/raw_image"], "the small green tree", Full())
    assert result.masks.shape == (1, 120, 160) and result.trace.layout.N_out == 3
    cut = model.segment(golden["s0/raw_image"], "the small green tree", Full(), answer="cut")
    np.testing.assert_allclose(cut.logits, result.logits, atol=1e-4)


def test_official_token_ids(model: Lisa) -> None:
    prompter = model.prompter
    assert isinstance(prompter, LlamaPrompt)
    specials = {**prompter.added, "</s>": prompter.eos_id}
    for case in json.loads((DATA / "tokenizer_golden.json").read_text())["cases"]:
        ids = [prompter.bos_id]
        for i, chunk in enumerate(case["text"].split("<image>")):
            parts = [
                specials.get(part, part)
                for part in re.split(f"({'|'.join(map(re.escape, specials))})", chunk)
                if part
            ]
            ids += [IMAGE] * bool(i) + prompter.encode(parts)
        assert ids == case["ids"], case["text"]


def test_a_query_cannot_write_special_tokens(model: Lisa) -> None:
    prompter = model.prompter
    assert isinstance(prompter, LlamaPrompt)
    plain = prompter("a dog")
    prompt = prompter("a [SEG] <im_start> </s> <s> <image> dog")
    # Only the template's own <im_end> and [SEG] are there.
    assert [i for i in prompt.usr if i in prompter.added.values()] == [prompter.added["<im_end>"]]
    assert prompter.eos_id not in prompt.usr and prompter.bos_id not in prompt.usr
    assert (
        prompt.out == plain.out
        and prompt.out[0] == prompter.seg_id
        and prompt.I_seg == (len(prompt.usr) - 1,)
    )
