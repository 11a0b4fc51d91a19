"""Instances: exact coverage through the crop, a YOLO without pickle, and a process left as it was."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, strategies as st
from hypothesis.extra import numpy as hnp

from csp.models.build import build_instances
from csp.models.instances import FixedMasks, YoloInstances, build_yolo, coverage, import_ultralytics
from csp.models.weights import tensors
from csp.types import Box


def test_whole_cells_and_halves() -> None:
    masks = np.zeros((2, 4, 8), bool)
    masks[0, :2, :2] = True  # one cell
    masks[1, :, 1:3] = True  # half of two columns of cells
    covered = coverage(masks, (4, 8), Box(0, 0, 8, 4), (2, 4))
    np.testing.assert_allclose(covered[0], [1, 0, 0, 0, 0, 0, 0, 0])
    np.testing.assert_allclose(covered[1], [0.5, 0.5, 0, 0, 0.5, 0.5, 0, 0])


def test_what_lies_outside_the_crop_counts_for_no_token() -> None:
    masks = np.zeros((1, 10, 20), bool)
    masks[0, :, :5] = True
    assert not coverage(masks, (10, 20), Box(5, 0, 15, 10), (2, 2)).any()
    np.testing.assert_allclose(coverage(masks, (10, 20), Box(4, 0, 14, 10), (1, 2)), [[0.2, 0]])


@given(hnp.arrays(bool, (2, 6, 9)), st.integers(1, 4), st.integers(1, 4))
def test_smaller_masks_show_the_same_picture(masks: np.ndarray, rows: int, cols: int) -> None:
    """Coverage does not depend on the size at which masks come, and the shares add up to the area."""
    big = masks.repeat(3, axis=1).repeat(3, axis=2)
    crop = Box(3, 0, 21, 18)
    small = coverage(masks, (18, 27), crop, (rows, cols))
    np.testing.assert_allclose(small, coverage(big, (18, 27), crop, (rows, cols)), atol=1e-6)
    area = big[:, 0:18, 3:21].sum((1, 2)) / (18 * 18)
    np.testing.assert_allclose(small.mean(1), area, atol=1e-6)


def test_no_instance_no_rows() -> None:
    assert coverage(np.zeros((0, 5, 5), bool), (50, 50), Box(0, 0, 50, 50), (4, 4)).shape == (0, 16)


def test_masks_made_elsewhere() -> None:
    masks = np.ones((2, 3, 4), np.uint8)
    assert FixedMasks(masks)(np.zeros((30, 40, 3), np.uint8)).dtype == bool
    with pytest.raises(ValueError, match=r"bool \[K, h, w\], got shape \[3, 4\]"):
        FixedMasks(masks[0])


def test_importing_ultralytics_leaves_the_process_as_it_was() -> None:
    import cv2
    from PIL import Image

    before = (
        dict(os.environ),
        Image.open,
        cv2.getNumThreads(),
        np.get_printoptions(),
        repr(torch.rand(3).dtype),
    )
    printed = str(torch.tensor([1.23456789, 1e-6]))
    import_ultralytics("ultralytics.nn.tasks")
    assert (
        dict(os.environ),
        Image.open,
        cv2.getNumThreads(),
        np.get_printoptions(),
        repr(torch.rand(3).dtype),
    ) == before
    assert str(torch.tensor([1.23456789, 1e-6])) == printed


def test_nothing_is_written_to_the_users_home(tmp_path: Path) -> None:
    import subprocess
    import sys

    code = (
        "from csp.models.instances import import_ultralytics as i; u = i(); import os; "
        "assert not [k for k in os.environ if k.startswith(('YOLO', 'ULTRALYTICS'))]; "
        "from PIL import Image; assert Image.open.__module__ == 'PIL.Image'; "
        "from ultralytics.utils import ONLINE; assert not ONLINE"
    )
    environment = {k: v for k, v in os.environ.items() if not k.startswith("YOLO")} | {"HOME": str(tmp_path)}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment, cwd=Path(__file__).parents[1])
    assert not [p for p in tmp_path.rglob("*") if "ltralytics" in p.name]


@pytest.fixture(scope="module")
def yolo(park_folder: Path) -> torch.nn.Module:
    model = build_yolo(park_folder / "yolo/yolo11n-seg.yaml")
    state = {k: v.float() if v.is_floating_point() else v for k, v in tensors(park_folder / "yolo")}
    model.load_state_dict(state)
    return model


@pytest.mark.parametrize("size", [(90, 120), (120, 90), (64, 64)])
def test_masks_are_the_librarys_own(yolo: torch.nn.Module, size: tuple[int, int], tmp_path: Path) -> None:
    """A tiny untrained detector at a low threshold finds many boxes: the same as ultralytics' own
    predictor.
    """
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    ours = YoloInstances(yolo, imgsz=64, conf=1e-6, most=20)(image)
    engine = import_ultralytics("ultralytics.models.yolo.segment.predict")
    predictor = engine.SegmentationPredictor(
        overrides={
            "imgsz": 64,
            "conf": 1e-6,
            "max_det": 20,
            "save": False,
            "verbose": False,
            "project": str(tmp_path),
        }
    )
    predictor.setup_model(yolo.eval(), verbose=False)
    theirs = predictor(image[..., ::-1].copy())[0].masks
    expected = np.zeros((0, 1, 1), bool) if theirs is None else theirs.data.cpu().numpy().astype(bool)
    assert len(ours) == len(expected) > 0
    h, w = ours.shape[1:]
    top, left = (expected.shape[1] - h) // 2, (expected.shape[2] - w) // 2
    # Theirs fuses batch norms into convolutions: a box's edge may round to the next pixel.
    assert (ours != expected[:, top : top + h, left : left + w]).mean() < 0.005


def test_a_sliver_is_looked_at(yolo: torch.nn.Module) -> None:
    assert YoloInstances(yolo, imgsz=64, conf=1e-6)(np.zeros((8, 6000, 3), np.uint8)).shape[1:] == (1, 64)


def test_no_detection_is_no_mask(yolo: torch.nn.Module) -> None:
    assert YoloInstances(yolo, imgsz=64, conf=0.999)(np.zeros((40, 50, 3), np.uint8)).shape[0] == 0


def test_wrong_files_and_thresholds_are_named(yolo: torch.nn.Module, tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text("nc: 3\n")
    with pytest.raises(ValueError, match="does not describe a YOLO model"):
        build_yolo(tmp_path / "x.yaml")
    for conf in (0, 1, float("nan")):
        with pytest.raises(ValueError, match="confidence must lie between 0 and 1"):
            YoloInstances(yolo, conf=conf)


class Touch:
    """A pickle that runs something when it is opened without care."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


def test_a_published_file_is_read_and_finds_the_same(yolo: torch.nn.Module, tmp_path: Path) -> None:
    torch.save({"model": yolo, "train_args": {}}, tmp_path / "yolo11n-seg.pt")
    image = np.random.default_rng(0).integers(0, 256, (64, 96, 3), np.uint8)
    read = build_instances(tmp_path, tmp_path / "yolo11n-seg.pt", 64, torch.device("cpu"))
    assert isinstance(read, YoloInstances)
    read.conf = 1e-6
    ours = YoloInstances(yolo, imgsz=64, conf=1e-6)(image)
    np.testing.assert_array_equal(read(image), ours)
    assert len(ours)


def test_a_file_that_is_no_model_or_runs_something(tmp_path: Path) -> None:
    (tmp_path / "noise.pt").write_bytes(b"not a checkpoint")
    torch.save({"model": Touch(tmp_path / "ran")}, tmp_path / "evil.pt")
    for name in ("noise.pt", "evil.pt"):
        with pytest.raises(ValueError, match=f"{name}.* is no YOLO model that can be read safely"):
            build_instances(tmp_path, tmp_path / name, 64, torch.device("cpu"))
    assert not (tmp_path / "ran").exists()


def test_a_detector_of_boxes_is_refused(tmp_path: Path) -> None:
    tasks = import_ultralytics("ultralytics.nn.tasks")
    layers = [[-1, 1, "Conv", [8, 3, 2]]]
    boxes = tasks.DetectionModel({"nc": 1, "backbone": layers, "head": [[[0], 1, "Detect", ["nc"]]]}, verbose=False)
    torch.save({"model": boxes, "train_args": {}}, tmp_path / "boxes.pt")
    with pytest.raises(ValueError, match="finds no masks"):
        build_instances(tmp_path, tmp_path / "boxes.pt", 64, torch.device("cpu"))
