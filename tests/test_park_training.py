"""Training code of the embedded model: what it optimises is what ships."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch

from csp.park import language, words
from csp.park.scenes import Scene, scene
from csp.park.training import deep, late, parts, reason, sam as sam_stage, tower as tower_stage
from csp.park.training.data import Pool, pool


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return [scene(seed, "train", 224) for seed in range(3)]


@pytest.fixture(scope="module")
def table() -> np.ndarray:
    return late.code_table(parts.sam())


@pytest.fixture(scope="module")
def batch(scenes: list[Scene], table: np.ndarray) -> reason.Batch:
    known = [tower_stage.facts(s.instances, len(s.objects), table) for s in scenes]
    return reason.Packer(words.build())(
        known, [s.objects for s in scenes], [language.queries(s, each=2) for s in scenes]
    )


@pytest.fixture(scope="module")
def model() -> reason.Reasoner:
    torch.manual_seed(0)
    return reason.Reasoner(reason.Shape(), words.build().get_vocab_size(), 128, 128).eval()


def test_packed_queries_run_as_the_decoder_runs_them_alone(batch: reason.Batch, model: reason.Reasoner) -> None:
    seen = torch.randn(3, 256, 128)
    system = torch.tensor(reason.Packer(words.build()).system)
    with torch.no_grad():
        packed = model(seen, system, batch)["code"]
        for b, m in ((0, 0), (1, 3), (2, 1)):
            end = int(batch.rows[b, m])
            start = int(batch.rows[b, m - 1]) + 1 if m else 0
            text = torch.cat([system, batch.ids[b, start : end + 1]])
            embeds = model.llm.embed_tokens(text)
            n = len(system)
            whole = torch.cat([embeds[:n], model.projector(seen[b]), embeds[n:]])[None]
            state = model.llm(inputs_embeds=whole).last_hidden_state[0, -1]
            assert torch.allclose(model.fcs(state), packed[b, m], atol=2e-4)


def test_deeper_is_nearly_the_same_function(batch: reason.Batch, model: reason.Reasoner) -> None:
    seen, system = torch.randn(3, 256, 128), torch.tensor(reason.Packer(words.build()).system)
    calm = copy.deepcopy(model)  # small steps, as of a trained decoder: repeating a layer is then one longer step
    for layer in calm.llm.layers:
        layer.self_attn.o_proj.weight.data *= 0.1
        layer.mlp.down_proj.weight.data *= 0.1
    deeper = late.deepen(calm, deep.REPEATS, dict(deep.LOOK), deep.HALF).eval()
    assert len(deeper.llm.layers) == 32 == sum(deep.REPEATS)
    with torch.no_grad():
        plain, more = calm(seen, system, batch)["code"], deeper(seen, system, batch)["code"]
        none = calm.fcs(calm.llm.norm(calm.llm.embed_tokens.weight[int(batch.ids[0, batch.rows[0, 0]])]))
    moved = (plain - none)[batch.real].abs().mean()
    assert float((plain - more)[batch.real].abs().mean() / moved) < 0.1
    first, second = calm.llm.layers[0], deeper.llm.layers[1]
    assert torch.equal(second.mlp.down_proj.weight * 2, first.mlp.down_proj.weight)


def test_facts_and_batch_agree_with_the_map(scenes: list[Scene], batch: reason.Batch, table: np.ndarray) -> None:
    s = scenes[0]
    shares = tower_stage.shares(s.instances, len(s.objects), 16)
    for k in range(len(s.objects)):
        mask = s.instances == k + 1
        assert shares[k].sum() / 256 == pytest.approx(mask.mean(), rel=1e-5)
        assert shares[k].reshape(16, 16)[3, 5] == pytest.approx(mask[42:56, 70:84].mean(), abs=1e-6)
    asked = language.queries(s, each=2)
    for m, q in enumerate(asked):
        mask = torch.from_numpy(s.mask(q.targets))
        assert float(batch.cover[0, m].sum()) == pytest.approx(float(mask.float().mean() * 256), abs=1e-3)
        assert bool(batch.absent[0, m]) == (not q.targets)
        if q.targets:
            code = sam_stage.place_code(parts.sam(), mask.float().view(1, 56, 4, 56, 4).mean((2, 4)))[0]
            assert torch.allclose(batch.code[0, m], code, atol=1e-5)


def test_only_a_place_is_in_the_prompt() -> None:
    sam = parts.sam()
    masks = torch.zeros(2, 56, 56)
    masks[0, 10:20, 30:40] = 1
    code = sam_stage.place_code(sam, masks)
    sparse = sam_stage.prompt(sam, code, masks.flatten(1).sum(1) == 0)
    assert torch.allclose(sparse[0] - code[0], sam.prompt_encoder.point_embeddings[1].weight[0])
    assert torch.equal(sparse[1], sam.prompt_encoder.not_a_point_embed.weight[0])
    heat = torch.einsum("c,chw->hw", code[0], sam.prompt_encoder.pe_layer((56, 56)))
    y, x = divmod(int(heat.argmax()), 56)
    assert 10 <= y < 20 and 30 <= x < 40  # the code's own product with the position code peaks on the target


def test_looking_away_costs(batch: reason.Batch) -> None:
    where = batch.real & ~batch.absent
    on = reason._mass(batch.cover + 1e-6, batch.cover.clamp(max=1), where)
    off = reason._mass(1.0 - batch.cover.clamp(max=1), batch.cover.clamp(max=1), where)
    assert on < 0.6 < 2 < off


def test_a_model_folder_can_be_gone_on_from(tmp_path: Path, model: reason.Reasoner) -> None:
    from csp.park.training.export import export, unpack

    deeper = late.deepen(model, deep.REPEATS, dict(deep.LOOK), deep.HALF)
    export(deeper, parts.tower(), parts.sam(), tmp_path / "folder")
    assert all(f.stat().st_size < 9e6 for f in (tmp_path / "folder").rglob("*") if f.is_file())
    unpack(tmp_path / "folder", tmp_path)
    again = late.restore(tmp_path / "deep.pt")
    assert again.shape.look == deep.LOOK and again.shape.half == deep.HALF
    for name, value in deeper.llm.state_dict().items():
        assert torch.allclose(again.llm.state_dict()[name], value, atol=1e-3, rtol=1e-3), name
    late.load_sam(tmp_path), late.load_tower(tmp_path)
    with pytest.raises(ValueError, match="holds no model-"):
        unpack(tmp_path / "clip", tmp_path)


def test_a_few_steps_of_every_stage_lower_the_loss(
    tmp_path: Path, scenes: list[Scene], monkeypatch: pytest.MonkeyPatch
) -> None:
    from csp.park.training import early

    few = Pool(
        "train",
        np.stack([s.image for s in scenes]),
        np.stack([s.instances for s in scenes]),
        [s.objects for s in scenes],
    )
    monkeypatch.setattr("csp.park.training.early.Clock", lambda *a, **k: _Steps(6, *a, **k))
    monkeypatch.setattr("csp.park.training.late.Clock", lambda *a, **k: _Steps(6, *a, **k))
    early.train_sam(few, 1, tmp_path / "sam.pt", batch=2, prompts=2)
    early.train_tower(few, 1, tmp_path / "tower.pt", batch=2)
    stage = late.stage(few, tmp_path, 1)
    model = reason.Reasoner(reason.Shape(), words.build().get_vocab_size(), 128, 128)
    late.train_reason(model, stage, 1, tmp_path / "reason.pt", 1e-3, scenes=2, each={"ref": 1, "absent": 1})
    for name in ("sam", "tower", "reason"):
        first, *_, last = _Steps.losses[tmp_path / f"{name}.log"]
        assert last < first, name
    found = late.score(late.restore(tmp_path / "reason.pt"), stage, reason.Packer(words.build()))
    assert 0 <= found["all"] <= 1


class _Steps(late.Clock):
    """A clock that counts steps in place of minutes."""

    losses: ClassVar[dict[Path, list[float]]] = {}

    def __init__(self, steps: int, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self.most = steps

    @property
    def progress(self) -> float:
        return min(1.0, self.step / self.most)

    def tick(self, optimiser, loss, parameters, clip=1.0) -> None:  # type: ignore[no-untyped-def]
        self.losses.setdefault(self.log, []).append(float(loss.detach()))
        super().tick(optimiser, loss, parameters, clip)


def test_the_pool_is_drawn_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("csp.park.training.data.CHUNK", 2)
    first = pool("val", 1, tmp_path, workers=1)
    stamps = {f: f.stat().st_mtime_ns for f in tmp_path.iterdir()}
    again = pool("val", 1, tmp_path, workers=1)
    assert len(first) == 2 and np.array_equal(first.images, again.images)
    assert stamps == {f: f.stat().st_mtime_ns for f in tmp_path.iterdir()}
