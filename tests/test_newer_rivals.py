"""The rivals after the paper, and the smaller picture: what must hold beyond the stored runs, on real towers as well."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tiny_decoder as tiny
import torch
from hypothesis import given, settings, strategies as st
from safetensors.torch import load_file
from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel, CLIPVisionConfig, CLIPVisionModel

import csp
from csp.decoder import decode_all
from csp.evaluation.suites import SUITES, that_run
from csp.methods import AFTER, expected_n_avg, named
from csp.methods.cdpruner import CDPruner, greedy_map, kernel, relevance
from csp.methods.divprune import DivPrune, distances, farthest, places, share
from csp.methods.ivcprune import IVCPrune
from csp.methods.litelvlm import LiteLVLM, select
from csp.methods.smaller import SmallerPicture, cells, middles, shown
from csp.models.clip import ClipTower
from csp.models.common_space import CommonSpace
from csp.models.llama import Llama
from csp.session import Session
from csp.shared import Together
from csp.tokens import Wording
from csp.trace import Box

LISA = Path(__file__).parent / "data" / "lisa"


def vision(**changes):
    """The toy tower with values, a common space and a smaller picture."""
    seen = tiny.vision(**changes)
    rng = torch.Generator().manual_seed(5)
    N = len(seen.patches)
    values, common, small = (torch.randn(n, c, generator=rng) for n, c in ((1 + N, 12), (N, 6), (N, 12)))
    return replace(seen, v_last=values, common=lambda: common, smaller=lambda rows, cols: small[: rows * cols])


def start(**changes):
    """A sequence whose image rows are projected features, with a question that CLIP can read."""
    begun = tiny.start(**changes)
    hidden = begun.hidden.clone()
    hidden[0, begun.layout.image] = vision().project(vision().patches)
    embedded = torch.randn(2, 6, generator=torch.Generator().manual_seed(7))
    return replace(begun, hidden=hidden, wording=Wording("where is it ?", "it", lambda text, long: embedded))


def run(method, **changes):
    return tiny.run(method, sequence=start(**changes), vision=vision())


ALL = tiny.N
WHOLE = [
    DivPrune(ALL),
    DivPrune(ALL, xy=3.0),
    CDPruner(ALL),
    CDPruner(ALL, relevance="none"),
    IVCPrune(k=2, T=ALL),
    IVCPrune(k=8),
    IVCPrune(k=2, foreground=1.0),
    LiteLVLM(ALL, space="words"),
    SmallerPicture(ALL),
]


@pytest.mark.parametrize("method", WHOLE, ids=repr)
@pytest.mark.parametrize("positions", ["official", "original"])
def test_keeping_everything_is_the_dense_model_bit_for_bit(method, positions):
    method = replace(method, positions=positions)
    assert torch.equal(run(method).seg_state, tiny.run(sequence=start()).seg_state)


SMALL = [
    DivPrune(5),
    DivPrune(5, xy=2.0),
    CDPruner(5),
    CDPruner(5, "direct"),
    CDPruner(5, "none"),
    LiteLVLM(5),
    LiteLVLM(5, "highest"),
    IVCPrune(k=3),
    IVCPrune(k=3, T=5),
    IVCPrune(k=3, T=5, rows="prompt"),
    IVCPrune(k=3, T=5, rows="seg"),
    SmallerPicture(6),
]


@pytest.mark.parametrize("method", SMALL, ids=repr)
def test_numbers_and_places_of_what_is_kept(method):
    """Counts as planned, nothing twice, numbers counted anew or original and ascending, provenance that adds up."""
    planned = method.plan(tiny.N, 8)[-1].N
    for positions in ("official", "original"):
        out = run(replace(method, positions=positions))
        last = out.trace.stages[-1]
        assert planned in (None, last.n)
        assert len(set(last.slots.tolist())) == last.n
        np.testing.assert_allclose(last.source.sum(axis=1), 1, atol=1e-6)
        if positions == "original" or isinstance(method, IVCPrune):
            assert last.position_ids.tolist() == last.slots.tolist() == sorted(last.slots.tolist())
        else:
            assert out.sequence.position_ids.tolist() == list(range(out.sequence.n))


@pytest.mark.parametrize("method", SMALL, ids=repr)
def test_together_and_alone(method):
    """Two queries in one batch are two queries by themselves."""
    starts = [start(), replace(start(), hidden=start().hidden + 0.1 * (start().slots >= 19)[None, :, None])]
    both = decode_all(Together(Llama(tiny.llama())), starts, method.plan(tiny.N, 8), [vision()] * 2)
    for begun, together in zip(starts, both, strict=True):
        alone = tiny.run(method, sequence=begun, vision=vision())
        torch.testing.assert_close(together.seg_state, alone.seg_state, atol=1e-5, rtol=0)
        assert together.trace.stages[-1].slots.tolist() == alone.trace.stages[-1].slots.tolist()


def test_the_words_of_the_query_decide():
    for method in (LiteLVLM(5), CDPruner(5)):
        scores = []
        for seed in (0, 1):
            text = torch.randn(1, 6, generator=torch.Generator().manual_seed(seed))
            begun = replace(start(), wording=Wording("a", "b", lambda text_, long, text=text: text))
            scores.append(tiny.run(method, sequence=begun, vision=vision()).trace.stages[-1].score)
        assert not np.array_equal(*scores)


@pytest.mark.parametrize("name", ["litelvlm", "cdpruner"])
def test_without_a_text_tower_it_says_so(name):
    method = {"litelvlm": LiteLVLM, "cdpruner": CDPruner}[name](T=5)
    with pytest.raises(ValueError, match=rf"{name} compares words and patches in CLIP's common space, which this model lacks"):
        tiny.run(method, vision=replace(vision(), common=None), sequence=start())
    with pytest.raises(ValueError, match='choose space="words"'):
        tiny.run(method, vision=vision(), sequence=tiny.start())
    assert run(replace(method, space="words")).trace.stages[-1].n == 5


@pytest.mark.parametrize("key", AFTER)
def test_settings_after_the_paper_spend_what_they_say(key):
    preset = AFTER[key]
    assert preset.table == 0 and preset.drop is None
    assert expected_n_avg(named(preset.method, preset.knobs), 256, 32) == preset.n_avg
    if not key.endswith(("/official", "/25")):
        assert preset.n_avg == pytest.approx(73, abs=1)


def test_tables_leave_out_what_a_model_cannot_run_and_say_so():
    lines = SUITES["after"].lines((0,))
    here, left = that_run(lines, words=False, guide=True)
    assert left == tuple(label for label in left if label.startswith(("LiteLVLM", "CDPruner"))) and len(left) == 4
    assert that_run(lines, words=True, guide=True) == (lines, ())
    assert {line.method.name for line in here} == {"full", "csp", "litelvlm", "cdpruner", "divprune", "ivcprune", "smaller"}
    _, left = that_run(SUITES["table1"].lines((0,)), words=False, guide=False)
    assert left == ("instance tokens only, all layers",)


def test_a_page_begins_with_what_its_model_can_run(park_folder, whole_clip):
    """Without a text tower controls begin with the stand-in; called by name the default is the authors', and says what lacks."""
    whole = csp.load(LISA / "lisa-tiny", clip=whole_clip, sam=LISA / "sam_config.json")
    for model, space in ((csp.load(park_folder), "words"), (whole, "clip")):
        cards = {card.name: {knob.name: knob.default for knob in card.knobs} for card in Session(model).catalogue()}
        assert cards["litelvlm"]["space"] == cards["cdpruner"]["space"] == space
    assert LiteLVLM().space == CDPruner().space == "clip"


# --- rules


@settings(deadline=None, max_examples=40)
@given(st.integers(2, 12), st.integers(1, 12), st.integers(0, 5), st.integers(0, 10**6))
def test_farthest_is_nested_and_never_repeats(distinct, T, copies, seed):
    """Whatever copies there are: no index twice, and a smaller T is a prefix."""
    points = torch.randn(distinct, 3, generator=torch.Generator().manual_seed(seed))
    points = torch.cat([points, points[:copies]])
    T = min(T, len(points))
    order, gaps = farthest(distances(points), T)
    assert len(set(order.tolist())) == T
    fewer, _ = farthest(distances(points), max(1, T - 1))
    assert order[: max(1, T - 1)].tolist() == fewer.tolist()
    # Each is the one farthest from those before it (copies of what was taken come last, at distance 0).
    assert (gaps[1:].diff() <= 1e-6).all()


def test_shares_round_half_to_even():
    assert [share(r, 256) for r in (16.5 / 256, 0.098, 73 / 256)] == [16, 25, 73]
    assert share(40.5 / 576, 576) == 40


def test_places_alone_cover_the_grid():
    """Features that say nothing: with xy the walk spreads over the picture, without it the lowest indices are taken."""
    alike = torch.ones(64, 4)
    at = places(tiny.layout(N=64, grid=(8, 8), I_seg=(70,)))
    assert at[0].tolist() == [1 / 16, 1 / 16] and at[-1].tolist() == [15 / 16, 15 / 16] and at[1].tolist() == [1 / 16, 3 / 16]
    corners = at[farthest(distances(alike, at, xy=1.0), 4)[0]] > 0.5
    assert len({tuple(corner) for corner in corners.tolist()}) == 4
    assert farthest(distances(alike, at), 4)[0].tolist() == [0, 1, 2, 3]
    joined = torch.cat([torch.nn.functional.normalize(alike, dim=-1), 2.0 * at], 1)
    torch.testing.assert_close(distances(alike, at, xy=2.0), torch.cdist(joined, joined) ** 2 / 2, atol=1e-4, rtol=0)


def test_beyond_the_rank_nothing_is_lost_or_repeated():
    features = torch.randn(20, 3, generator=torch.Generator().manual_seed(0))
    order, gains = greedy_map(kernel(features, torch.ones(20)), 20)
    assert sorted(order.tolist()) == list(range(20))
    assert gains.isfinite().all() and (gains[3:] < 1e-5).all()
    # All gains equal: the first token is the lowest index.
    assert order[0] == 0


def test_relevance_runs_from_nought_to_one_and_survives_equals():
    r = relevance(torch.eye(4), torch.tensor([[1.0, 0.5, 0, -1]]))
    assert r.min() == pytest.approx(0, abs=1e-5) and r.max() == pytest.approx(1, abs=1e-5)
    assert r.argmax() == 3  # least like the words: most relevant, as published
    assert relevance(torch.ones(3, 2), torch.ones(1, 2)).tolist() == [1, 1, 1]


def test_litelvlm_by_hand():
    similarity = torch.tensor([[3.0, 1, 2, 0, 9, 9], [0, 9, 1, 2, 9, 9]])
    context = torch.tensor([0.0, 5, 1, 9, 2, 3])
    # Two texts, T = 5: two lowest each, {1, 3} and {0, 2}, and one of the context outside: 5.
    assert select(similarity, context, 5).tolist() == [5, 0, 1, 2, 3]
    assert select(similarity[:1], context, 3).tolist() == [1, 2, 3]
    # More texts than tokens: context alone.
    assert select(similarity, context, 1).tolist() == [3]


def test_ivcprunes_counts():
    assert IVCPrune()._counts(256) == (3, 51, 13) and IVCPrune()._counts(576) == (6, 115, 29)
    assert IVCPrune().plan(256, 32)[-1].N is None
    assert expected_n_avg(IVCPrune(), 256, 32) == pytest.approx(164, abs=1)


def test_a_written_question_has_no_answer():
    """As when the model writes: prompt rows and all rows are the same where no answer is."""
    sequence = start(N_out=0, I_seg=(24,))
    both = [tiny.run(IVCPrune(k=3, rows=rows), sequence=sequence).seg_state for rows in ("official", "prompt")]
    assert torch.equal(*both)


# --- the smaller picture


@pytest.mark.parametrize(("T", "grid"), [(73, (8, 9)), (81, (9, 9)), (256, (16, 16)), (1, (1, 1)), (86, (9, 10))])
def test_grids_near_a_number(T, grid):
    assert cells(T, 256) == grid


def test_cells_show_what_lies_under_them():
    weights = shown(9, 16)
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(9))
    torch.testing.assert_close(weights.sum(dim=0), torch.full((16,), 9 / 16))
    assert middles(16, 16).tolist() == list(range(16)) and len(set(middles(9, 16).tolist())) == 9
    assert torch.equal(shown(16, 16), torch.eye(16))


@pytest.fixture(scope="module")
def clip() -> CLIPVisionModel:
    torch.manual_seed(0)
    sizes = dict(hidden_size=32, intermediate_size=64, num_hidden_layers=3, num_attention_heads=2, image_size=224, patch_size=14)
    return CLIPVisionModel(CLIPVisionConfig(**sizes)).eval()


@pytest.mark.parametrize("side", [126, 224, 98])
def test_a_smaller_square_is_transformers_own(clip, side):
    """Its processor at that size, its tower with interpolated places: bit for bit."""
    image = np.random.default_rng(0).integers(0, 256, (300, 400, 3), np.uint8)
    tower = ClipTower(clip)
    (view,) = tower.views(300, 400)
    ours = tower.smaller(image, view.crop, side // 14, side // 14)
    processor = CLIPImageProcessorPil(size={"shortest_edge": side}, crop_size={"height": side, "width": side})
    values = processor(image, return_tensors="pt")["pixel_values"]
    with torch.no_grad():
        theirs = clip(values, interpolate_pos_encoding=True, output_hidden_states=True).hidden_states[-2][0, 1:]
    assert torch.equal(ours, theirs)
    assert ours.shape == ((side // 14) ** 2, 32)
    if side == 224:
        assert torch.equal(ours, tower.features(tower.pixels(image), lambda x: x).patches)


def test_a_smaller_rectangle_shows_the_native_crop(clip):
    """Left half black, right half white: so are the cells, 8 x 9 of them."""
    image = np.zeros((200, 200, 3), np.uint8)
    image[:, 100:] = 255
    tower = ClipTower(clip)
    seen = tower.smaller(image, Box(0, 0, 200, 200), 8, 9).view(8, 9, -1)
    assert seen.shape == (8, 9, 32)
    assert torch.dist(seen[2, 1], seen[5, 1]) < torch.dist(seen[2, 1], seen[2, 7])
    for grid in ((17, 16), (0, 3)):
        with pytest.raises(ValueError, match=r"a smaller picture has 1\.\.16 patches a side"):
            tower.smaller(image, Box(0, 0, 200, 200), *grid)


# --- a checkpoint with the whole CLIP beside it


@pytest.fixture(scope="module")
def whole_clip(tmp_path_factory) -> Path:
    """The tiny checkpoint's vision tower, completed to a whole CLIP with random words: both towers, projections, tokenizer."""
    folder = tmp_path_factory.mktemp("clip")
    theirs = json.loads((LISA / "clip-vit-tiny-patch14" / "config.json").read_text())
    theirs = theirs.get("vision_config", theirs)
    byte = [chr(b if 33 <= b <= 126 or 161 <= b <= 172 or b >= 174 else 256 + n) for n, b in enumerate(range(256))]
    vocab = {word: i for i, word in enumerate([*byte, *(f"{b}</w>" for b in byte), "<|startoftext|>", "<|endoftext|>"])}
    text = dict(hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4, vocab_size=len(vocab))
    text |= dict(max_position_embeddings=77, projection_dim=24, bos_token_id=512, eos_token_id=513, pad_token_id=513)
    torch.manual_seed(3)
    model = CLIPModel(CLIPConfig(text_config=text, vision_config=theirs | {"projection_dim": 24}, projection_dim=24)).eval()
    vision_state = load_file(LISA / "clip-vit-tiny-patch14" / "model.safetensors")
    own = model.state_dict()
    for name, value in vision_state.items():
        name = name if name.startswith("vision_model.") else f"vision_model.{name}"
        if name in own:
            own[name].copy_(value)
    model.save_pretrained(folder)
    (folder / "vocab.json").write_text(json.dumps(vocab))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    (folder / "preprocessor_config.json").write_text((LISA / "clip-vit-tiny-patch14" / "preprocessor_config.json").read_text())
    return folder


@pytest.fixture(scope="module")
def lisa(whole_clip):
    return csp.load(LISA / "lisa-tiny", clip=whole_clip, sam=LISA / "sam_config.json")


def test_the_common_space_is_transformers_own(lisa, whole_clip, picture):
    model = CLIPModel.from_pretrained(whole_clip)
    seen = lisa.encode(picture).vision
    words = CommonSpace(whole_clip, torch.device("cpu"), torch.float32)
    ids = words.tokenizer("the red ball", return_tensors="pt")
    with torch.no_grad():
        text = model.text_projection(model.text_model(**ids).pooler_output)
        patches = model.visual_projection(model.vision_model.post_layernorm(seen.patches))
    torch.testing.assert_close(words.embed("the red ball"), text, atol=1e-6, rtol=0)
    torch.testing.assert_close(seen.common(), patches, atol=1e-6, rtol=0)


def test_long_questions_are_cut_or_split(whole_clip):
    words = CommonSpace(whole_clip, torch.device("cpu"), torch.float32)
    long = "the thing that keeps the rain off " * 9
    assert words.embed(long, "cut").shape == (1, 24)
    split = words.embed(long, "split")
    assert len(split) == -(-len(words.tokenizer(long).input_ids) // 77) > 1
    # The first piece has no end: another long question's says the same.
    torch.testing.assert_close(words.embed("another " * 40, "split")[0], split[0])
    short = words.embed("a ball", "split")
    torch.testing.assert_close(short, words.embed("a ball", "cut"), atol=1e-6, rtol=0)


@pytest.mark.parametrize("method", [LiteLVLM(20), CDPruner(20), DivPrune(20), IVCPrune(k=1, T=20), SmallerPicture(20)], ids=repr)
def test_on_a_checkpoint(lisa, picture, method):
    result = lisa.segment(picture, "the red ball", method)
    assert result.trace.stages[-1].n == 20
    again = lisa.segment(picture, ["the red ball", "the dog"], method)
    np.testing.assert_allclose(again[0].seg_state, result.seg_state, atol=1e-4)
    cut = lisa.segment(picture, "the red ball", method, answer="cut")
    if not isinstance(method, IVCPrune):  # whose question rows reach to the end of what is there
        np.testing.assert_allclose(cut.seg_state, result.seg_state, atol=1e-4)


def test_the_questions_words_are_its_templates(lisa):
    prompt = lisa.prompter("the red ball")
    assert lisa.wording(prompt, "the red ball").text == "What is the red ball in this image? Please output segmentation mask."


def test_a_checkpoint_without_the_words(picture):
    model = csp.load(LISA / "lisa-tiny", clip=LISA / "clip-vit-tiny-patch14", sam=LISA / "sam_config.json")
    with pytest.raises(ValueError, match="load it with clip= a folder of the whole CLIP"):
        model.segment(picture, "the red ball", LiteLVLM(20))
    assert model.segment(picture, "the red ball", LiteLVLM(20, space="words")).trace.stages[-1].n == 20
