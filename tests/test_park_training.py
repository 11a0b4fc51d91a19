"""Training code of the embedded model: what it optimises is what ships, no loss names a layer, and a run can be gone on from."""

from __future__ import annotations

import copy
import json
import shutil
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch

from csp.park import language, train, words
from csp.park.training import (
    checkpoint,
    depth,
    objectives,
    optimiser,
    packing,
    parts,
    saying,
    seeing,
    segmenter,
    teaching,
    vision,
)
from csp.park.training.clock import Clock
from csp.park.training.data import FINE, Pool, drawn, pool
from csp.park.training.decoder import Look, Reasoner, Shape
from csp.park.training.facts import Facts, of_pool, shares

EACH = {"ref": 2, "refg": 2, "intent": 2, "absent": 1}


@pytest.fixture(scope="module")
def few() -> Pool:
    return drawn("train", range(3))


@pytest.fixture(scope="module")
def known(few: Pool) -> list[Facts]:
    return of_pool(few, seeing.code_table())


@pytest.fixture(scope="module")
def asked(few: Pool) -> list[list[language.Query]]:
    return [language.queries(few.park(i), each=EACH) for i in range(3)]


@pytest.fixture(scope="module")
def batch(few: Pool, known: list[Facts], asked: list[list[language.Query]]) -> packing.Batch:
    return packing.Packer(words.build())(known, [few.park(i) for i in range(3)], asked)


@pytest.fixture(scope="module")
def model() -> Reasoner:
    torch.manual_seed(0)
    return teaching.fresh(Shape(depth=4)).eval()


def test_packed_queries_run_as_the_decoder_runs_them_alone(
    batch: packing.Batch, asked: list[list[language.Query]], model: Reasoner
) -> None:
    seen = torch.randn(3, 256, 128)
    system = torch.tensor(packing.Packer(words.build()).system)
    with torch.no_grad():
        packed = model(seen, system, batch, low=torch.float32)
        for b, m in ((0, 0), (1, 3), (2, 1)):
            packer = packing.Packer(words.build())
            text = torch.cat([system, torch.tensor(packer._tokens(asked[b][m].text, None) + packer.after)])
            embeds = model.llm.embed_tokens(text)
            n = len(system)
            whole = torch.cat([embeds[:n], model.projector(seen[b]), embeds[n:]])[None]
            model.llm.set_attn_implementation("eager")
            out = model.llm(inputs_embeds=whole, output_attentions=True)
            assert torch.allclose(model.fcs(out.last_hidden_state[0, -1]), packed["code"][b, m], atol=2e-4)
            row = out.attentions[2][0, :, -1, n : n + 256].mean(0)
            assert torch.allclose(row, packed["A2"][b, m], atol=1e-5)
        coarse = model(seen, system, batch)["code"]
    assert float((coarse - packed["code"])[batch.real].abs().mean() / packed["code"][batch.real].std()) < 0.05


def test_deeper_is_nearly_the_same_function(batch: packing.Batch, model: Reasoner) -> None:
    seen, system = torch.randn(3, 256, 128), torch.tensor(packing.Packer(words.build()).system)
    calm = copy.deepcopy(model)  # small steps, as of a trained decoder: repeating a layer is then one longer step
    for layer in calm.llm.layers:
        layer.self_attn.o_proj.weight.data *= 0.1
        layer.mlp.down_proj.weight.data *= 0.1
    deeper = depth.deepen(calm).eval()
    assert len(deeper.llm.layers) == 32
    with torch.no_grad():
        plain = calm(seen, system, batch, low=torch.float32)["code"]
        more = deeper(seen, system, batch, low=torch.float32)["code"]
        none = calm.fcs(calm.normal(calm.llm.embed_tokens.weight[int(batch.ids[0, batch.rows[0, 0]])]))
    moved = (plain - none)[batch.real].abs().mean()
    assert float((plain - more)[batch.real].abs().mean() / moved) < 0.1
    with pytest.raises(ValueError, match="4 layers can be repeated to a multiple"):
        depth.deepen(calm, 30)


def test_no_loss_names_a_layer() -> None:
    """Which layers the losses read is drawn from all, the deeper the likelier and by even steps."""
    g = np.random.default_rng(0)
    looks = [Look.draw(32, g) for _ in range(4000)]
    expected = 4000 * np.arange(1, 33) / np.arange(1, 33).sum()
    for field in ("attention", "state", "word"):
        counts = np.bincount([getattr(look, field) for look in looks], minlength=32)
        assert len(counts) == 32 and np.all(np.abs(counts - expected) < 5 * np.sqrt(expected) + 1)
    assert all("drawn layer" in says or "last layer" in says or "patches" in says for _, says in objectives.WEIGHTS.values())


def test_facts_and_batch_agree_with_the_map(
    few: Pool, known: list[Facts], asked: list[list[language.Query]], batch: packing.Batch
) -> None:
    ids, things = few.ids[0], few.objects[0]
    covered = shares(ids, len(things), 16)
    for k in range(len(things)):
        mask = ids == k + 1
        assert covered[k].sum() / 256 == pytest.approx(mask.mean(), rel=1e-5)
        assert covered[k].reshape(16, 16)[3, 5] == pytest.approx(mask[42:56, 70:84].mean(), abs=1e-6)
    for m, q in enumerate(asked[0]):
        mask = torch.from_numpy(few.mask(0, q.targets))
        assert float(batch.cover[0, m].sum()) == pytest.approx(float(mask.float().mean() * 256), abs=1e-3)
        assert bool(batch.absent[0, m]) == (not q.targets)
        assert set(torch.nonzero(batch.chosen[0, m])[:, 0].tolist()) == set(q.targets)
        if len(q.targets) == 1:
            code = segmenter.place_code(parts.sam(), mask.float().view(1, FINE, 4, FINE, 4).mean((2, 4)))[0]
            assert torch.allclose(batch.code[0, m], code, atol=1e-5)
        if q.family == "refg" and q.meaning is not None and isinstance(q.meaning.relation[1], str):
            mark = [k.kind for k in few.marks[0]].index(q.meaning.relation[1])
            assert torch.allclose(batch.mark[0, m], torch.from_numpy(known[0].mark_cover[mark]))


def test_landmarks_are_where_they_are_painted(few: Pool) -> None:
    assert not (few.ground > 0)[:, 0, 0].all()
    for i in range(len(few)):
        at = few.ids[i][2::4, 2::4] > 0
        assert not few.ground[i][at].any()
        for k, mark in enumerate(few.marks[i]):
            rows, columns = np.nonzero(few.ground[i] == k + 1)
            if len(rows):
                x0, y0, x1, y1 = mark.box
                assert columns.min() / FINE > x0 - 0.04 and (columns.max() + 1) / FINE < x1 + 0.04
                assert rows.min() / FINE > y0 - 0.04 and (rows.max() + 1) / FINE < y1 + 0.04


def test_mirrored_labels_are_those_of_the_mirrored_picture(few: Pool) -> None:
    table = seeing.code_table()
    plain = vision.labels(of_pool(few, table), few.objects, few.marks)
    other = vision.labels(of_pool(few, table, mirrored=True), few.objects, few.marks, mirrored=True)
    assert torch.equal(plain.kind.view(3, 16, 16).flip(2), other.kind.view(3, 16, 16))
    thing = other.owner >= 0
    assert torch.allclose(plain.box.view(3, 16, 16, 4).flip(2).flatten(1, 2)[thing][:, 0], 1 - other.box[thing][:, 0], atol=1e-6)


def test_only_a_place_is_in_the_prompt() -> None:
    sam = parts.sam()
    masks = torch.zeros(2, FINE, FINE)
    masks[0, 10:20, 30:40] = 1
    code = segmenter.place_code(sam, masks)
    sparse = segmenter.prompt(sam, code, masks.flatten(1).sum(1) == 0)
    assert torch.allclose(sparse[0] - code[0], sam.prompt_encoder.point_embeddings[1].weight[0])
    assert torch.equal(sparse[1], sam.prompt_encoder.not_a_point_embed.weight[0])
    heat = torch.einsum("c,chw->hw", code[0], sam.prompt_encoder.pe_layer((FINE, FINE)))
    y, x = divmod(int(heat.argmax()), FINE)
    assert 10 <= y < 20 and 30 <= x < 40  # the code's own product with the position code peaks on the target


def test_doubt_is_answered_by_the_likelier_thing_not_by_a_mixture() -> None:
    """Two possible targets, 60 to 40: the losses on the code are least at the first, where a squared error is least between."""
    torch.manual_seed(1)
    a, b = torch.randn(2, 128)
    share = torch.linspace(0, 1, 101)
    codes = (1 - share)[:, None] * a + share[:, None] * b

    def expected(far) -> int:  # type: ignore[no-untyped-def]
        return int((0.6 * far(codes, a) + 0.4 * far(codes, b)).argmin())

    assert expected(objectives.distance) <= 5
    assert expected(lambda c, t: (c - t).square().mean(-1)) == 40
    things = torch.stack([a, b])[None]
    picks = [torch.tensor([[[k == 0, k == 1]]]).expand(1, 101, 2) for k in (0, 1)]
    lost = [objectives.choice(codes[None], things, torch.randn(128), p, torch.zeros(1, 101, dtype=torch.bool))[0] for p in picks]
    assert int((0.6 * lost[0] + 0.4 * lost[1]).argmin()) < 20


def test_looking_away_costs(batch: packing.Batch) -> None:
    where = batch.real & ~batch.absent
    on = objectives._mass(batch.cover + 1e-6, batch.cover.clamp(max=1), where)
    off = objectives._mass(1.0 - batch.cover.clamp(max=1), batch.cover.clamp(max=1), where)
    assert on < 0.6 < 2 < off


def test_every_parameter_that_learns_is_stepped_once() -> None:
    sam, head = parts.sam(), torch.nn.Linear(4, 4)
    stepping = optimiser.of((sam, head), 1e-3, 0.01)
    stepped = [id(p) for group in stepping.param_groups for p in group["params"]]
    learn = [p for module in (sam, head) for p in module.parameters() if p.requires_grad]
    assert sorted(stepped) == sorted(map(id, learn))
    named = {id(p): name for name, p in sam.named_parameters()}
    inside = [part for part in stepping.parts if isinstance(part, torch.optim.Muon)]
    muon = [p for part in inside for group in part.param_groups for p in group["params"]]
    assert muon and all(p.dim() == 2 and any(word in named[id(p)] for word in ("blocks.", "layers.")) for p in muon)
    assert len(optimiser.of((head,), 1e-3, 0.01).parts) == 1, "a read-out alone has no matrix inside layers"


def test_the_segmenter_starts_from_what_ships_but_for_its_prompts() -> None:
    known = seeing._knowing(Path("assets/park"))
    sam = parts.sam()
    found = sam.load_state_dict(known, strict=False)  # raises where a size is another
    assert not found.unexpected_keys and all(name.startswith("prompt_encoder.") for name in found.missing_keys)
    assert torch.equal(sam.state_dict()["mask_decoder.mask_tokens.weight"], known["mask_decoder.mask_tokens.weight"])


class _Steps(Clock):
    """A clock that counts steps in place of minutes."""

    losses: ClassVar[dict[Path, list[float]]] = {}
    most = 6

    @property
    def progress(self) -> float:
        return min(1.0, self.step / self.most)

    def rate(self) -> float:
        """Six steps are no time to warm up in."""
        return self.peak

    def tick(self, optimiser, loss, parameters, clip=1.0) -> None:  # type: ignore[no-untyped-def]
        self.losses.setdefault(self.log, []).append(float(loss.detach()))
        super().tick(optimiser, loss, parameters, clip)


@pytest.fixture(scope="module")
def trained(few: Pool, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few steps of every stage on three scenes."""
    work = tmp_path_factory.mktemp("work")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("csp.park.training.seeing.Clock", _Steps)
        patch.setattr("csp.park.training.teaching.Clock", _Steps)
        torch.manual_seed(0)  # what the decoder begins with must not depend on the tests before
        seeing.train_segmenter(few, 1, work / "segmenter.pt", batch=2, prompts=2)
        seeing.train_tower(few, 1, work / "tower.pt", batch=2)
        room = teaching.classroom(few, drawn("val", range(1)), work)
        teaching.train_decoder(teaching.fresh(Shape(depth=4)), room, 1, work / "decoder.pt", 1e-3, scenes=2, each=EACH)
    return work


@pytest.mark.parametrize("stage", ["tower", "segmenter", "decoder"])
def test_a_few_steps_lower_the_loss_and_are_counted(trained: Path, stage: str) -> None:
    first, *_, last = _Steps.losses[trained / f"{stage}.log"]
    assert last < first
    assert json.loads((trained / f"{stage}.json").read_text())["steps"] == _Steps.most


def test_scores_are_kept_by_family_and_layer(trained: Path) -> None:
    found = json.loads((trained / "decoder.scores.jsonl").read_text().splitlines()[-1])
    assert {"hit.ref", "iou.absent", "top3", "step", "cpu_minutes"} <= set(found)
    assert all(0 <= v <= 1 for k, v in found.items() if "." in k)


def test_a_committed_checkpoint_is_gone_on_from(
    trained: Path, few: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = checkpoint.pack(trained, tmp_path / "kept")
    assert all(f.stat().st_size < 9e6 for f in files)
    checkpoint.unpack(tmp_path / "kept", tmp_path / "work")
    again, before = teaching.restore(tmp_path / "work" / "decoder.pt"), teaching.restore(trained / "decoder.pt")
    assert again.shape == before.shape
    for name, value in before.state_dict().items():
        assert torch.allclose(again.state_dict()[name], value, atol=2e-3, rtol=2e-3), name
    monkeypatch.setattr("csp.park.training.teaching.Clock", _Steps)
    room = teaching.classroom(few, drawn("val", range(1)), tmp_path / "work")
    teaching.train_decoder(again, room, 1, tmp_path / "work" / "decoder.pt", 1e-3, scenes=2, each=EACH)
    assert json.loads((tmp_path / "work" / "decoder.json").read_text()) | {"cpu_minutes": 0} == {
        "steps": 12,
        "cpu_minutes": 0,
        "slices": 2,
    }
    with pytest.raises(ValueError, match="holds no training checkpoint"):
        checkpoint.unpack(tmp_path, tmp_path / "other")
    with pytest.raises(ValueError, match="holds no checkpoint"):
        checkpoint.pack(tmp_path / "nowhere", tmp_path / "kept")


def test_the_mean_is_halfway_to_an_earlier_checkpoint(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = teaching.restore(trained / "decoder.pt")
    other = copy.deepcopy(one)
    with torch.no_grad():
        for value in other.parameters():
            value.add_(0.5)
    (tmp_path / "then").mkdir()
    teaching.save(other, tmp_path / "then" / "decoder.pt")
    checkpoint.pack(tmp_path / "then", tmp_path / "kept")
    work = tmp_path / "work"
    work.mkdir()
    shutil.copyfile(trained / "decoder.pt", work / "decoder.pt")
    out = tmp_path / "out"
    train.ACTIONS["mean"](train.Run(work, 1, None, out, out, seed=0, workers=1, other=tmp_path / "kept"))
    for name, value in teaching.restore(work / "decoder.pt").named_parameters():
        assert torch.allclose(value, one.state_dict()[name] + 0.25, atol=2e-3), name
    with pytest.raises(ValueError, match="decoders of one shape"):
        teaching.mean(one, teaching.fresh(Shape(depth=one.shape.depth + 1)))
    for wrong in (["mean", "--work", str(work)], ["keep", "--work", str(work), "--with", str(tmp_path / "kept")]):
        with pytest.raises(SystemExit):
            train.main(wrong)
        assert "mean takes --with" in capsys.readouterr().err


def test_words_may_be_added_between_slices(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = teaching.restore(trained / "decoder.pt").llm.embed_tokens.weight
    then = words.vocabulary()
    now = (*then[:50], "zeppelin", *then[50:])
    monkeypatch.setattr("csp.park.words.vocabulary", lambda: now)
    after = teaching.restore(trained / "decoder.pt").llm.embed_tokens.weight
    assert len(after) == len(before) + 1
    assert torch.equal(after[51:], before[50:]) and torch.allclose(after[50], before.mean(0), atol=1e-6)


def test_the_export_is_a_model(trained: Path, tmp_path: Path) -> None:
    import csp
    from csp.park.training.export import export

    model = depth.deepen(teaching.restore(trained / "decoder.pt"))
    tower, sam = teaching.load_tower(trained / "tower.pt"), teaching.load_segmenter(trained / "segmenter.pt")
    export(model, tower, sam, tmp_path / "model")
    assert all(f.stat().st_size < 9e6 for f in (tmp_path / "model").rglob("*") if f.is_file())
    from csp.park import scene

    made = scene(3, "test", 224)
    result = csp.load(str(tmp_path / "model")).segment(made.image, "where is the umbrela ?")
    assert result.mask.shape == (224, 224)
    assert not any("unk" in note for note in result.notes)


def test_the_pool_is_drawn_once(tmp_path: Path) -> None:
    first = pool("val", 2, tmp_path, chunk=2)
    stamps = {f: f.stat().st_mtime_ns for f in tmp_path.iterdir()}
    again = pool("val", 2, tmp_path, chunk=2)
    assert len(first) == 2 and np.array_equal(first.images, again.images)
    assert stamps == {f: f.stat().st_mtime_ns for f in tmp_path.iterdir()}


def test_the_shipped_model_is_not_overwritten_by_default(capsys: pytest.CaptureFixture[str]) -> None:
    assert train.parser().parse_args(["all"]).out != train.SHIPPED
    with pytest.raises(SystemExit):
        train.main(["export", "--out", str(train.SHIPPED)])
    assert "is the shipped model" in capsys.readouterr().err


def test_the_experiment_needs_what_it_says_and_prints_a_table(trained: Path, few: Pool, tmp_path: Path) -> None:
    from csp.evaluation import found_page
    from csp.park.training import experiment

    room = teaching.classroom(few, drawn("val", range(1)), trained)
    with pytest.raises(ValueError, match="has no decoder of fewer than 32 layers"):
        experiment.supervise(room, tmp_path, 1)
    lost = {"full": 0.7, "csp": 0.66, "fastv": 0.5, "pyramiddrop": 0.6}
    found = {f"{name}/0": {"gIoU": lost, "on target": [0.2, 0.6]} for name in experiment.AROUND}
    told = {"results": found, "methods": list(experiment.METHODS)}
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in found_page.supervised_table(told).splitlines()]
    assert ["13", "0", "0.700", "-4.0", "-20.0", "-10.0", "1"] in cells
    experiment.figure(found, tmp_path / "figure.svg")
    assert (tmp_path / "figure.svg").read_text().count("<path") > 5


@pytest.mark.parametrize(("attention", "layers"), [((1, 2), {1, 2}), ((), {0, 1, 2, 3}), (None, set())])
def test_the_attention_loss_is_where_the_experiment_puts_it(
    trained: Path, few: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, attention: tuple[int, ...] | None, layers: set[int]
) -> None:
    monkeypatch.setattr("csp.park.training.teaching.Clock", _Steps)
    monkeypatch.setattr("csp.park.training.teaching.score", lambda *_: {})
    read: list[tuple[int, bool]] = []
    weighed: list[str] = []
    real = objectives.losses

    class Spied(dict):
        def __delitem__(self, name: str) -> None:
            read[-1] = (read[-1][0], False)
            super().__delitem__(name)

        def __setitem__(self, name: str, value: torch.Tensor) -> None:
            assert name == "A" and float(value.detach()) == pytest.approx(3 * float(self[name].detach()))
            weighed.append(name)
            super().__setitem__(name, value)

    def forward(self, seen, system, batch, look):  # type: ignore[no-untyped-def]
        read.append((look.attention, True))
        return plain(self, seen, system, batch, look)

    plain = Reasoner.forward
    monkeypatch.setattr(Reasoner, "forward", forward)
    monkeypatch.setattr(objectives, "losses", lambda *a: Spied(real(*a)))
    room = teaching.classroom(few, drawn("val", range(1)), trained)
    teaching.train_decoder(
        teaching.fresh(Shape(depth=4)), room, 1, tmp_path / "d.pt", 1e-3, scenes=1, each={"ref": 2}, attention=attention, stress=3
    )
    assert bool(weighed) == bool(layers)
    assert {layer for layer, kept in read if kept} <= layers
    assert len(read) == _Steps.most and (bool(layers) == any(kept for _, kept in read))


class Spoken:
    """Stands for a trained decoder: the right prompt for every even query, that of the first thing for others."""

    def eval(self) -> None: ...

    train = eval

    def __call__(self, seen: torch.Tensor, system: torch.Tensor, batch: packing.Batch) -> dict[str, torch.Tensor]:
        sam = parts.sam()
        code = teaching.prompts(sam, batch)
        wrong = batch.things[:, :1] + teaching.nothing(sam)[1]
        odd = torch.arange(code.shape[1])[None, :, None] % 2 == 1
        mistaken = odd & ~batch.chosen[:, :, :1]
        return {"code": torch.where(mistaken, wrong, code + 0.01)}


def test_a_segmenter_learns_from_what_a_decoder_says_rightly(few: Pool, known: list[Facts], tmp_path: Path) -> None:
    world = teaching.World(few, torch.zeros(3, 256, 128), known)
    said = saying.say(Spoken(), world, 3)  # type: ignore[arg-type]
    assert len(said) == 3 and all(len(p) == len(t) > 8 for p, t in zip(said.prompts, said.targets, strict=True))
    none, shift = teaching.nothing(parts.sam())
    for row, (spoken, meant) in enumerate(zip(said.prompts, said.targets, strict=True)):
        options = torch.cat([torch.from_numpy(known[row].codes) + shift, none[None]])
        for prompt, things in zip(spoken.float(), meant, strict=True):
            nearest = int(torch.cdist(prompt[None], options).argmin())
            assert nearest in things if len(things) else nearest == len(options) - 1
    asked = sum(len(language.queries(few.park(i), each=teaching.MIX, stream=saying.STREAM)) for i in range(3))
    assert sum(map(len, said.prompts)) < asked  # what was said wrongly is left out
    seeing.train_segmenter(few, 0.02, tmp_path / "segmenter.pt", batch=2, said=said)
    assert (tmp_path / "segmenter.pt").exists()


def test_the_detector_goes_on_from_what_it_knows(few: Pool, park_folder: Path, tmp_path: Path) -> None:
    """ultralytics trains a fresh model unless told otherwise, whatever was loaded."""
    pytest.importorskip("ultralytics")
    from safetensors.torch import load_file

    from csp.park.training import instances

    start = park_folder / "yolo"
    data = instances.write_dataset(few, tmp_path / "set", val=1)
    instances.train_instances(data, start, 0.01, tmp_path / "runs")
    instances.export_instances(tmp_path / "runs/run/weights/last.pt", tmp_path / "made")
    then, now = (load_file(folder / "model.safetensors") for folder in (start, tmp_path / "made"))
    kernels = [name for name, value in then.items() if value.dim() == 4]
    apart = [float((now[k].float() - then[k].float()).norm() / then[k].float().norm()) for k in kernels]
    assert np.median(apart) < 0.05


def test_a_checkpoint_keeps_the_detector_and_the_next_slice_begins_there(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work, out, kept = tmp_path / "work", tmp_path / "out", tmp_path / "kept"
    shutil.copytree(trained, work)
    (work / "yolo").mkdir()
    (work / "yolo" / "data.yaml").touch()
    (out / "yolo").mkdir(parents=True)
    (out / "yolo" / "model.safetensors").write_bytes(b"detector")
    run = train.Run(work, 3, 1, out, kept, 0, 1)
    train.keep(run)
    assert (kept / "yolo" / "model.safetensors").read_bytes() == b"detector"
    begun: list[Path] = []
    monkeypatch.setattr("csp.park.training.instances.train_instances", lambda data, start, *_: begun.append(start))
    monkeypatch.setattr("csp.park.training.instances.export_instances", lambda *_: None)
    train.instances(run)
    shutil.rmtree(out / "yolo")
    (out / "yolo").mkdir()
    train.instances(run)
    assert begun == [out / "yolo", kept / "yolo"]


def test_the_decoder_before_it_is_deepened_is_kept(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work = tmp_path / "work"
    shutil.copytree(trained, work)
    monkeypatch.setattr(train, "_room", lambda run: None)
    depths: list[int] = []
    monkeypatch.setattr("csp.park.training.teaching.train_decoder", lambda model, *_, **__: depths.append(model.shape.depth))
    train.deepen(train.Run(work, 3, 1, tmp_path / "out", tmp_path / "kept", 0, 1))
    assert depths == [32] and teaching.restore(work / "shallow.pt").shape.depth == 4
    files = checkpoint.pack(work, tmp_path / "kept")
    assert any(file.name.startswith("shallow-") for file in files)
