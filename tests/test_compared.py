"""What the class's program takes for the right answer, and what for a wrong one."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest
from synthetic import result

from csp.batches import note
from csp.bench.compared import Expected, arrays
from csp.types import Result
from csp.ui.viewer import packing

BATCH = (note(2),)


def board(run: Result) -> dict[str, Any]:
    return packing.payload(run, result("full"))


def turned(run: Result, share: float) -> Result:
    """The run with logits of this share of its mask's pixels turned round."""
    logits = run.logits.copy()
    flat = logits.reshape(-1)
    flat[: int(share * flat.size)] *= -1
    return replace(run, logits=logits)


def test_arrays_come_out_as_they_went_in() -> None:
    run = result("csp")
    got = arrays(board(run))
    height, width = packing.view_size(run.request.image.shape[:2])
    assert np.array_equal(got["mask"][: height * width].reshape(height, width), packing._small(run.mask, (height, width)))
    np.testing.assert_allclose(got["logits"], packing.coarse(run.logits), atol=0.5 / packing.FINE + 0.02, rtol=1e-3)


def test_an_answer_by_itself_is_right_number_for_number() -> None:
    run = result("csp")
    right = Expected("board", board(run))
    assert right.wrong(board(replace(run, ms={"decoder": 9.0}))) == ""
    for other in (replace(run, logits=run.logits + 0.1), turned(run, 0.5), result("full")):
        assert right.wrong(board(other)) == "another answer than expected"


@pytest.mark.parametrize(
    ("change", "where"),
    [
        (lambda run: replace(run, logits=run.logits + np.float32(1e-5)), ""),
        (lambda run: turned(run, 0.5), "."),
        (lambda run: replace(run, request=replace(run.request, query="another")), ".query"),
        (lambda run: replace(run, trace=replace(run.trace, A_SEG=run.trace.A_SEG * 0.9)), ".block"),
    ],
)
def test_one_of_a_batch_is_right_to_rounding(change: Any, where: str) -> None:
    run = result("csp")
    wrong = Expected("board", board(run)).wrong(board(change(replace(run, notes=(*run.notes, *BATCH)))))
    assert wrong.startswith(f"more than rounding apart at {where}") if where else wrong == ""


def test_a_mask_as_a_file_and_a_run_in_numbers() -> None:
    mask = np.zeros((50, 60), np.uint8)
    mask[10:30, 10:30] = 255

    def file(mask: np.ndarray) -> dict[str, str]:
        return {"data": base64.b64encode(cv2.imencode(".png", mask)[1].tobytes()).decode()}

    right, one, many = Expected("file", file(mask)), mask.copy(), mask.copy()
    one[10, 10], many[10] = 0, 0
    assert [right.wrong(file(each)) for each in (mask, one, many)] == ["", "", "more than rounding apart at .mask"]
    run = result("csp")
    told = {"mask": True, "run": run.as_dict()}
    right = Expected("endpoint", told)
    assert right.wrong(told) == ""
    near = {"mask": True, "run": {**run.as_dict(), "mask_pixels": told["run"]["mask_pixels"] + 1}}
    assert right.wrong(near) == "another answer than expected"
    assert right.wrong(near, exact=False) == ""
    near["run"]["notes"] = list(BATCH)
    assert right.wrong(near) == ""
    assert right.wrong({"mask": True, "run": {**near["run"], "rank_layer": 99}}).endswith(".rank_layer")
