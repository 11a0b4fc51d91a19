"""How sure a proposer must be is decided after encoding: one encoding serves every threshold."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import csp
from csp.models.instances import LEAST, instances_of
from csp.session import Session
from csp.types import Request


class Doubtful:
    """Four quarters of the picture, less and less sure."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, image: np.ndarray) -> np.ndarray:
        masks, confidence = self.scored(image)
        return masks[confidence >= 0.25]

    def scored(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        self.asked += 1
        masks = np.zeros((4, 32, 32), bool)
        for i, (y, x) in enumerate([(0, 0), (0, 16), (16, 0), (16, 16)]):
            masks[i, y : y + 16, x : x + 16] = True
        return masks, np.array([0.9, 0.5, 0.25, 0.1])


@pytest.fixture(scope="module")
def proposer() -> Doubtful:
    return Doubtful()


@pytest.fixture(scope="module")
def session(park_folder, proposer) -> Session:
    return Session(csp.load(park_folder, instances=proposer, device="cpu"))


@pytest.mark.parametrize(("conf", "count"), [(0.05, 4), (0.25, 3), (0.5, 2), (0.95, 0)])
def test_seg_first_heeds_its_threshold(session, proposer, conf, count):
    image = np.full((64, 64, 3), 120, np.uint8)
    knobs = {"Lc": 2, "Nc": 16, "Ls": 1, "Np": 4, "cluster": "seg-first", "conf": conf}
    result = session.run(Request(image, "the red ball", "csp", knobs))
    assert result.trace.stages[0].instances == count
    assert any("found no instance" in note for note in result.notes) == (count == 0)
    assert len(session.objects(image, conf)) == count
    assert proposer.asked == 1, "one encoding serves every threshold"


def test_a_proposer_that_does_not_say_is_believed(proposer):
    found = instances_of(lambda image: proposer.scored(image)[0], np.zeros((8, 8, 3), np.uint8), lambda boxes: boxes)
    assert found.masks.shape == (4, 32, 32) and found.confidence is None


def test_what_is_less_sure_takes_nothing_from_what_is_surer(park_folder):
    instances = csp.load(park_folder, device="cpu").instances
    for branch in instances.model.model[-1].cv3:  # random weights are sure of nothing; let them be of something
        branch[-1].bias.data.fill_(-1.0)
        branch[-1].weight.data.normal_(generator=torch.Generator().manual_seed(0))
    image = np.random.default_rng(0).integers(0, 255, (112, 112, 3), np.uint8)
    masks, confidence = instances.scored(image)
    assert (confidence >= LEAST).all() and (np.diff(confidence) <= 0).all()
    instances.conf = float(confidence[0] + confidence[-1]) / 2
    surer = confidence > instances.conf
    assert 0 < surer.sum() < len(surer)
    assert np.array_equal(instances(image), masks[surer])
