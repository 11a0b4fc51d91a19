"""The head's training against the official functions, number for number, and the program end to end."""

from __future__ import annotations

import json
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

import csp
from csp import tuned
from csp.tune import main
from csp.tuning import table6
from csp.tuning.losses import at_size, bce_loss, dice_loss, learning_rate, mask_loss
from csp.tuning.rows import Picture
from csp.tuning.selected import best_of
from csp.tuning.train import Recipe, Tuner, forward, score_fit

ROOT = Path(__file__).parent / "data/sets"
GOLD = ROOT / "expected"
PAPER = json.loads((ROOT.parent / "paper/tables.json").read_text())
META = json.loads((GOLD / "golden_losses.json").read_text())


@pytest.fixture(scope="module")
def gold() -> Any:
    return np.load(GOLD / "golden_losses.npz")


@pytest.mark.parametrize("case", META["cases"], ids=lambda c: c["name"])
def test_losses_and_gradients_are_the_official_ones(case: dict[str, Any], gold: Any) -> None:
    target = torch.from_numpy(gold[f"{case['name']}/target"])
    for loss, name in ((dice_loss, "dice"), (bce_loss, "bce")):
        logits = torch.from_numpy(gold[f"{case['name']}/logits"]).requires_grad_()
        value = loss(logits, target)
        value.backward()
        assert value.item() == pytest.approx(case[name], rel=1e-6, abs=1e-7)
        np.testing.assert_allclose(logits.grad, gold[f"{case['name']}/{name}_grad"], rtol=1e-5, atol=1e-9)


def test_the_schedule_is_deepspeeds() -> None:
    for update, rate in META["lr"]["lisa"]["updates_1_based"].items():
        assert learning_rate(int(update), 3e-4, 100, 5000) == pytest.approx(rate, abs=1e-12)
    for at, rate in enumerate(META["lr"]["small"]["lr"]):
        assert learning_rate(at + 1, 1e-2, 3, 12) == pytest.approx(rate, abs=1e-12)


def toy(gold: Any) -> Any:
    """The toy LISA head of the golden data, as a model with the parts that training touches."""
    from segment_anything.modeling import MaskDecoder, PromptEncoder, TwoWayTransformer

    from csp.models.sam import SamHead

    s = META["step"]
    d, hidden, size = s["embed_dim"], s["hidden"], s["image_size"]
    prompt = PromptEncoder(embed_dim=d, image_embedding_size=(size // 8,) * 2, input_image_size=(size,) * 2, mask_in_chans=16)
    transformer = TwoWayTransformer(depth=2, embedding_dim=d, mlp_dim=2 * d, num_heads=4)
    decoder = MaskDecoder(
        num_multimask_outputs=3, transformer=transformer, transformer_dim=d, iou_head_depth=3, iou_head_hidden_dim=d
    )
    fcs = nn.Sequential(nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, d), nn.Dropout(0.0))
    for module, prefix in ((prompt, "step/sam/prompt_encoder."), (decoder, "step/sam/mask_decoder."), (fcs, "step/fcs/0.")):
        names = [key for key in gold.files if key.startswith(prefix)]
        module.load_state_dict({key.removeprefix(prefix): torch.from_numpy(gold[key]) for key in names})
    head = SamHead.__new__(SamHead)
    head.sam, head.image_size = nn.Module(), size
    head.sam.prompt_encoder, head.sam.mask_decoder = prompt, decoder
    return SimpleNamespace(name="toy", mask_head=head, text_hidden_fcs=fcs, report=None)


def pictures(gold: Any) -> list[Picture]:
    s = META["step"]
    return [
        Picture(
            torch.from_numpy(gold[f"step/embedding_{i}"]),
            torch.from_numpy(gold[f"step/row_{i}"]),
            torch.from_numpy(gold[f"step/target_{i}"]),
            tuple(s["resize"][i]),
        )
        for i in range(len(s["sizes"]))
    ]


def test_a_step_has_the_official_logits_loss_and_gradients(gold: Any) -> None:
    model = toy(gold)
    pairs = []
    for i, picture in enumerate(pictures(gold)):
        logits = forward(model, picture)
        np.testing.assert_allclose(logits.detach(), gold[f"step/logits_{i}"], rtol=1e-5, atol=1e-5)
        pairs.append((logits, picture.targets))
    loss = mask_loss(pairs)
    loss.backward()
    assert loss.item() == pytest.approx(META["step"]["mask_loss"], rel=1e-6)
    named = {f"mask_decoder.{n}": p for n, p in model.mask_head.sam.mask_decoder.named_parameters()}
    named |= {f"text_hidden_fcs.0.{n}": p for n, p in model.text_hidden_fcs.named_parameters()}
    seen = 0
    for name, p in named.items():
        if f"step/grad/{name}" in gold.files:
            wanted = gold[f"step/grad/{name}"]
            np.testing.assert_allclose(p.grad, wanted, rtol=1e-4, atol=1e-5 * np.abs(wanted).max() + 1e-8)
            seen += 1
    assert seen > 20


class ToyRows:
    """The golden data's pictures as training rows."""

    header: dict[str, Any] = {"toy": 1}  # noqa: RUF012

    def __init__(self, gold: Any) -> None:
        self.pictures = pictures(gold)

    def read(self, index: int, device: Any = "cpu", queries: Any = None) -> Picture:
        return self.pictures[index]


@pytest.mark.parametrize("train", ["decoder", "decoder+fcs"])
def test_six_updates_are_the_official_ones(train: str, gold: Any, tmp_path: Path) -> None:
    told = [row for row in META[f"updates_{train}"] if "lr" in row]
    recipe = Recipe(train, updates=12, rate=3e-3, warmup=3, pictures=2, queries=64)
    tuner = Tuner(toy(gold), ToyRows(gold), [0, 1], recipe, tmp_path)
    frozen = {name: p.clone() for name, p in tuner.model.text_hidden_fcs.state_dict().items()}
    for update, row in enumerate(told, 1):
        assert learning_rate(update, 3e-3, 3, 12) == pytest.approx(row["lr"], abs=1e-12)
        assert tuner.step(update) == pytest.approx(row["loss"], rel=1e-5)
    group, module = ("after/mask_decoder.", tuner.model.mask_head.sam.mask_decoder)
    if train == "decoder+fcs":
        group, module = ("after_both/text_hidden_fcs.0.", tuner.model.text_hidden_fcs)
    else:
        assert all(torch.equal(frozen[name], p) for name, p in tuner.model.text_hidden_fcs.state_dict().items())
    named = dict(module.named_parameters())
    for key in (key for key in gold.files if key.startswith(group)):
        np.testing.assert_allclose(named[key.removeprefix(group)].detach(), gold[key], atol=1e-4)


def test_a_stop_changes_nothing(gold: Any, tmp_path: Path) -> None:
    recipe = Recipe(updates=6, rate=1e-3, warmup=1, pictures=2)
    whole = Tuner(toy(gold), ToyRows(gold), [0, 1], recipe, tmp_path / "a").run(lambda *_: None)

    def stop(done: int, of: int, loss: float) -> None:
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Tuner(toy(gold), ToyRows(gold), [0, 1], recipe, tmp_path / "b").run(stop, every=3)
    again = Tuner(toy(gold), ToyRows(gold), [0, 1], recipe, tmp_path / "b")
    assert len(again.curve) == 3 and again.run(lambda *_: None) == whole
    with pytest.raises(ValueError, match="of another recipe"):
        Tuner(toy(gold), ToyRows(gold), [0, 1], Recipe(updates=7, warmup=1), tmp_path / "b")


def test_losses_have_the_properties_that_they_should() -> None:
    target = torch.zeros(2, 8, 8)
    target[0, :4] = 1
    perfect = torch.where(target > 0, 50.0, -50.0)
    assert dice_loss(perfect, target).item() < 0.51 and bce_loss(perfect, target).item() < 1e-6
    assert dice_loss(perfect[:1], target[:1]).item() < 1e-4
    logits = torch.randn(2, 8, 8)
    assert mask_loss([(logits, target)]).item() == pytest.approx(
        mask_loss([(logits[:1], target[:1]), (logits[1:], target[1:])]).item(), rel=1e-6
    )
    assert at_size(torch.zeros(3, 4, 4), 16, (16, 8), (5, 7)).shape == (3, 5, 7)
    assert score_fit([(0.1, 0.2), (0.3, 0.6)]) == pytest.approx((2.0, 0.0), abs=1e-9)


SMALL = ["--Lc", "1", "--Nc", "9", "--Ls", "1", "--Np", "4"]


def test_end_to_end(park_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "head"
    asked = ["--model", str(park_folder), "--device", "cpu", "--data", "refcoco:train", "--data", "park"]
    asked += ["--data-root", str(ROOT), "--limit", "3", "--updates", "10", "--rate", "1e-2", "--pictures", "2", *SMALL]
    assert main([*asked, "--out", str(out)]) == 0
    card = json.loads((out / "head.json").read_text())
    assert np.mean(card["curve"][-3:]) < np.mean(card["curve"][:3]) and len(card["curve"]) == 10
    # The training picture of RefCOCO is a test picture of RefCOCOg, and left out; of the park's three one is held out.
    assert (card["data"]["pictures"], card["data"]["trained on"]) == (3, 2) and card["hold-out"]["before"]
    names = load_file(out / "head.safetensors")
    assert all(name.startswith("model.visual_model.mask_decoder.") for name in names)

    base = csp.load(park_folder, device="cpu")
    model = csp.load(park_folder, device="cpu", head=out)
    scene = csp.park.scene(3)
    other = model.segment(scene.image, "the red ball")  # under the plan that it was tuned for
    assert (other.request.knobs["Nc"], other.request.knobs["Np"]) == (9, 4)
    plan = csp.CSP(1, 9, 1, 4)
    plain = base.segment(scene.image, "the red ball", plan)
    np.testing.assert_array_equal(plain.seg_state, other.seg_state)  # all before the head is as it was
    assert not np.array_equal(plain.logits, other.logits) and 0 <= other.iou[0] <= 1

    merged = tmp_path / "merged"
    assert main(["merge", str(park_folder), str(out), str(merged)]) == 0
    whole = csp.load(merged, device="cpu").segment(scene.image, "the red ball", plan)
    np.testing.assert_allclose(whole.logits, other.logits, atol=0.01)  # rounded to the folder's float16
    assert np.abs(whole.logits - plain.logits).max() > 0.05
    with pytest.raises(ValueError, match=r"was tuned on .* load the one that it was tuned on"):
        csp.load(merged, device="cpu", head=out)
    capsys.readouterr()
    assert main([*asked[:-2], "--Np", "5", "--out", str(out)]) == 2
    assert "rows of another base, plan or data set" in capsys.readouterr().err
    assert main(["--data", "refcoco:val", "--data-root", str(ROOT)]) == 2
    assert "tuned on training pictures, got refcoco:val: give refcoco:train" in capsys.readouterr().err
    with pytest.raises(ValueError, match=r"holds no head\.safetensors"):
        tuned.read_card(tmp_path)


def test_the_best_look_at_the_hold_out_is_kept(gold: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = Recipe(updates=8, rate=1e-2, warmup=1, pictures=2)
    scores = iter((0.2, 0.5, 0.4, 0.1))
    monkeypatch.setattr(Tuner, "evaluate", lambda self, held: (1.0, next(scores), []))
    tuner = Tuner(toy(gold), ToyRows(gold), [0, 1], recipe, tmp_path)
    seen: dict[int, torch.Tensor] = {}
    weight = next(iter(tuner.named.values()))

    def tell(done: int, of: int, loss: float) -> None:
        seen[done] = weight.detach().clone()
        if done == 5 and len(tuner.curve) == 5 and not (tmp_path / "again").exists():
            (tmp_path / "again").touch()
            raise KeyboardInterrupt  # a stop after two looks

    with pytest.raises(KeyboardInterrupt):
        best_of(tuner, [0], tell)
    tuner = Tuner(toy(gold), ToyRows(gold), [0, 1], recipe, tmp_path)
    weight = next(iter(tuner.named.values()))
    best = best_of(tuner, [0], tell)
    assert (best["update"], best["gIoU"]) == (4, 0.5) and [look[0] for look in best["looks"]] == [2, 4, 6, 8]
    assert len(tuner.curve) == 8 and torch.equal(weight, seen[4]) and not torch.equal(weight, seen[8])


def test_table_6_has_its_controls(gold: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole, on the toy head: rows come from the golden data in place of a decoder's, as a stand-in for what is slow."""
    made: list[str] = []

    class Made(ToyRows):
        def __init__(self, folder: Path, model: Any, source: Any, method: Any, base: str) -> None:
            super().__init__(gold)
            made.append(folder.name)
            self.source = source

        def make(self, tell: Any) -> list[int]:
            return [0, 1]

    monkeypatch.setattr(table6, "Rows", Made)
    model = toy(gold)
    model.N, model.L, model.device = 256, 32, torch.device("cpu")
    kept = {name: p.clone() for name, p in model.mask_head.sam.mask_decoder.state_dict().items()}
    study = table6.Study((75,), 1, 1, 2, 2, (1e-3, 1e-2), recipe=Recipe(updates=4, warmup=1, pictures=1))
    told = table6.run(model, study, tmp_path, lambda *_, **__: nullcontext(lambda done, of: None))
    assert made == ["train dense", "test dense", "train 75", "test 75", "train rival", "test rival"]
    lines = {(line["head"], line["plan"]): line for line in told["table"]}
    assert set(lines) == {
        ("base", "dense"), ("base", "75 %"), ("base", "rival"), ("tuned dense", "dense"), ("tuned dense", "75 %"),
        ("tuned at 75 %", "75 %"), ("tuned at 75 %", "dense"), ("tuned under the rival", "rival"),
        ("tuned on another query's rows", "75 %"),
    }  # fmt: skip
    own = lines["tuned at 75 %", "75 %"]
    assert own["paper's drop"] == 1.7 and lines["base", "75 %"]["paper's drop"] == 2.8 and len(own["by seed"]) == 2
    assert own["gIoU"]["value"] == pytest.approx(np.mean(own["by seed"]), abs=1e-6)
    assert own["gain"]["value"] == pytest.approx(own["gIoU"]["value"] - lines["base", "75 %"]["gIoU"]["value"], abs=1e-5)
    assert lines["base", "dense"]["drop"]["value"] == 0 and set(told["heads"]["tuned dense"]["held out"]) == {0, 1}
    assert all(torch.equal(kept[n], p) for n, p in model.mask_head.sam.mask_decoder.state_dict().items())
    again = table6.run(model, study, tmp_path, lambda *_, **__: nullcontext(lambda done, of: None))
    assert again["table"] == told["table"]  # nothing is tuned or scored twice, and nothing changes
    printed = {r["pruning_ratio"]: r["miou_drop_finetuned"] for r in PAPER["table6"]["blocks"][0]["rows"] if r["pruning_ratio"]}
    assert printed == table6.PRINTED
    with pytest.raises(ValueError, match=r"--ratios must be among 65, 70, .*got 50"):
        table6.Study((50,))
