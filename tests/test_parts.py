"""Whoever answers a protocol takes the place of what is shipped: a head, a guide and a way of running rows of one's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import csp
from csp.checkpoints import load
from csp.decoder import Alone, Record, decode, decode_all
from csp.layers import Ran
from csp.methods import CSP
from csp.models.parts import FromBoxes, Guide, Instances, MaskHead
from csp.session import Session
from csp.tokens import TokenSequence
from csp.types import Request, Result

SEEKING = CSP(Lc=1, Nc=16, Ls=1, Np=8, cluster="seg-first")


class Brightness:
    """A head that finds what is bright: two scales of the stretched picture, a threshold from the prompt."""

    key, image_size = "brightness", 32
    module = encoder = torch.nn.Linear(1, 1)

    def describe(self) -> str:
        return "what is bright"

    def encoding_bytes(self, size: int) -> int:
        return size * 3 * self.image_size**2

    def encode(self, image: np.ndarray) -> tuple[tuple[torch.Tensor, ...], tuple[int, int]]:
        light = torch.from_numpy(image).float().mean(dim=2)[None, None] / 255
        fine = torch.nn.functional.interpolate(light, (16, 16), mode="area")
        return (fine, torch.nn.functional.avg_pool2d(fine, 2)), (self.image_size, self.image_size)

    def decode(self, features: Any, prompts: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        fine, coarse = features
        assert coarse.shape[-1] == 8
        return fine[0].expand(len(prompts), -1, -1) - 0.5, prompts.norm(dim=1).float()

    def from_boxes(self, features: Any, boxes: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        masks = np.zeros((len(boxes), *size), bool)
        for mask, (x0, y0, x1, y1) in zip(masks, boxes.astype(int), strict=True):
            mask[y0:y1, x0:x1] = True
        return masks


class Corner:
    """A guide that knows boxes alone: one in a corner, sure, and one that it doubts."""

    def instances(self, image: np.ndarray, from_boxes: FromBoxes) -> Instances:
        H, W = image.shape[:2]
        return Instances(from_boxes(np.array([[0, 0, W / 2, H / 2], [0, 0, W, H]])), np.array([0.9, 0.1], np.float32), macs=1234)


@dataclass
class Watched:
    """A runner that tells what it ran."""

    inner: Alone
    ran: list[tuple[int, int]] = field(default_factory=list)

    @property
    def layers(self) -> Any:
        return self.inner.layers

    def run(self, first: int, L: int, nows: Sequence[TokenSequence], record: Record) -> list[Ran]:
        self.ran.append((first, L))
        return self.inner.run(first, L, nows, record)


@pytest.fixture(scope="module")
def own(park_folder: Path) -> Any:
    """The tiny model with a head and a guide of one's own."""
    model = load(park_folder, device="cpu", instances=Corner())
    head: MaskHead = Brightness()
    model.mask_head = head
    return model


def test_a_head_of_ones_own_decides(own: Any, picture: np.ndarray, tmp_path: Path) -> None:
    """From `segment` to a figure, a saved run and a session: nobody asks whose head it is."""
    result = own.segment(picture, "the red ball", CSP(Lc=1, Nc=16, Ls=1, Np=8))
    assert result.logits.shape == (1, 16, 16) and (result.sam_input, result.sam_size) == ((32, 32), 32)
    light = picture.mean(axis=2) > 127.5
    assert (result.mask == light).mean() > 0.9
    prompt = own.text_hidden_fcs(torch.tensor(result.seg_state)).detach()
    assert result.iou[0] == pytest.approx(float(prompt.norm()))
    result.save(tmp_path / "run.npz")
    np.testing.assert_array_equal(Result.open(tmp_path / "run.npz").mask, result.mask)
    assert csp.figures.stages([result]).axes
    knobs = {"Lc": 1, "Nc": 16, "Ls": 1, "Np": 8}
    np.testing.assert_array_equal(Session(own).run(Request(picture, "the red ball", "csp", knobs)).logits, result.logits)
    assert [r.logits.shape[0] for r in own.segment(picture, ["a dog", "the red ball"], SEEKING)] == [1, 1]


def test_what_two_heads_made_of_a_picture_is_kept_apart(park_folder: Path, picture: np.ndarray) -> None:
    model = load(park_folder, device="cpu", instances=False)
    first = model.encode(picture)
    model.mask_head = Brightness()
    assert isinstance(model.encode(picture).embedding, tuple) and len(model.cache) == 2
    assert model.encode(picture).nbytes < first.nbytes
    model.mask_head = load(park_folder, device="cpu", instances=False).mask_head
    assert model.encode(picture) is first


def test_a_guide_of_ones_own_is_followed_and_paid_for(own: Any, picture: np.ndarray) -> None:
    guide: Guide = Corner()
    assert isinstance(guide, Guide)
    result = own.segment(picture, "the red ball", SEEKING)
    stage = result.trace.stage("clustering")
    # The crop is the picture's middle: the corner's tokens are those of its own quarter.
    rows, cols = np.unravel_index(stage.patches, result.trace.layout.grid)
    assert stage.instances == 1 and rows.max() < 4 and cols.max() < 4
    without = own.segment(picture, "the red ball", CSP(Lc=1, Nc=16, Ls=1, Np=8))
    assert (result.cost.guide_macs, without.cost.guide_macs) == (1234, 0)
    assert len(own.encode(picture).masks) == 2, "what it doubts is kept for another threshold"


def test_rows_run_as_the_runner_has_it(own: Any, picture: np.ndarray) -> None:
    seen, plan = own.encode(picture), SEEKING.plan(own.N, own.L)
    start = TokenSequence.start(*own.embed(seen, own.prompter("the red ball", "full", "before")))
    runner = Watched(Alone(own.layers))
    (ours,) = decode_all(runner, [start], plan, [seen.vision])
    assert runner.ran == [(0, 1), (1, 1), (2, 2)]
    assert torch.equal(ours.seg_state, decode(own.layers, start, plan, seen.vision).seg_state)
