"""Instances for Seg-First (Eq. 4): a guide finds masks, `coverage` says how much of each image token a
mask covers.

Anything that turns a picture into masks is a guide (`csp.models.parts.Guide`); the one shipped runs an ultralytics YOLO
segmentation model from a yaml and safetensors. This is the only module that imports ultralytics (AGPL-3.0),
and only when such a model is built.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import nn

from csp.models.counting import Bill
from csp.models.parts import AnyGuide, FromBoxes, Guide, Instances
from csp.types import Box

# Read once while ultralytics is imported: no network, no installing, no settings file in the user's home.
_ENVIRONMENT = {
    "YOLO_OFFLINE": "1",
    "YOLO_AUTOINSTALL": "0",
    "YOLO_VERBOSE": "0",
    "ULTRALYTICS_SAFE_LOAD": "1",
    "ULTRALYTICS_SKIP_REQUIREMENTS_CHECKS": "1",
}


LEAST = 0.05
"""Least confidence at which an instance is kept for a later decision."""


def instances_of(guide: AnyGuide, image: np.ndarray, from_boxes: FromBoxes) -> Instances:
    """What a guide finds: one with `instances` as `csp.models.parts.Guide` has it; one with `scored`, which returns masks and
    confidences; or a plain callable that returns masks bool [K, h, w], which is believed.
    """
    if isinstance(guide, Guide):
        return guide.instances(image, from_boxes)
    scored = getattr(guide, "scored", None)
    if scored is None:
        return Instances(np.asarray(guide(image), dtype=bool))
    masks, confidence = scored(image)
    return Instances(np.asarray(masks, dtype=bool), np.asarray(confidence, np.float32))


@dataclass(frozen=True)
class FixedMasks:
    """Masks made elsewhere, bool [K, h, w], for the one picture that they belong to."""

    masks: np.ndarray

    def __post_init__(self) -> None:
        if np.ndim(self.masks) != 3:
            raise ValueError(f"instance masks must be bool [K, h, w], got shape {list(np.shape(self.masks))}")

    def __call__(self, image: np.ndarray) -> np.ndarray:
        return np.asarray(self.masks, dtype=bool)


def coverage(masks: np.ndarray, size: tuple[int, int], crop: Box, grid: tuple[int, int]) -> np.ndarray:
    """Share of every image token that each mask covers, float32 [K, N] in 0..1.

    `masks` bool [K, h, w] show the whole picture of `size` (H, W); `crop` is the part under the `grid`
    (rows, cols), in picture pixels. Areas are exact, cells need not fall on whole pixels; what lies outside
    the crop counts for no token.
    """
    K, h, w = masks.shape
    rows, cols = grid
    if K == 0:
        return np.zeros((0, rows * cols), np.float32)
    y = np.linspace(crop.y0, crop.y1, rows + 1) * (h / size[0])
    x = np.linspace(crop.x0, crop.x1, cols + 1) * (w / size[1])
    # The running sum of a mask, constant within pixels, is linear between edges: interpolation is exact.
    by_row = _running_sum(masks.astype(np.float64), y, axis=1)
    by_cell = _running_sum(by_row, x, axis=2)
    cell = ((y[-1] - y[0]) / rows) * ((x[-1] - x[0]) / cols)
    return np.clip(by_cell.reshape(K, rows * cols) / cell, 0, 1).astype(np.float32)


def _running_sum(values: np.ndarray, edges: np.ndarray, axis: int) -> np.ndarray:
    """Integral of `values` between consecutive `edges` along an axis."""
    total = np.insert(np.cumsum(values, axis=axis), 0, 0, axis=axis)
    at = np.clip(edges, 0, values.shape[axis])
    low = np.minimum(at.astype(int), values.shape[axis] - 1)
    part = (at - low).reshape([-1 if i == axis else 1 for i in range(values.ndim)])
    at_edges = total.take(low, axis) * (1 - part) + total.take(low + 1, axis) * part
    return np.diff(at_edges, axis=axis)


def import_ultralytics(module: str = "ultralytics") -> ModuleType:
    """Import a module of ultralytics without what importing it does to the rest of the process.

    It would otherwise leave environment variables, print options, an OpenCV thread count and a
    `PIL.Image.open` that installs packages. Raises ValueError when it is not installed.
    """
    with _untouched():
        try:
            return import_module(module)
        except ImportError as error:
            raise ValueError(
                "YOLO needs the ultralytics package (AGPL-3.0): pip install ultralytics, pass instances= an RF-DETR or "
                "GroundingDINO folder, or instances=False and use another cluster"
            ) from error


def has_ultralytics() -> bool:
    """Whether ultralytics can be imported."""
    try:
        import_ultralytics()
    except ValueError:
        return False
    return True


@contextmanager
def _untouched() -> Iterator[None]:
    import cv2
    from PIL import Image

    environment, image_open, threads = dict(os.environ), Image.open, cv2.getNumThreads()
    numpy_print = np.get_printoptions()
    torch_print = dict(vars(torch._tensor_str.PRINT_OPTS))
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(_ENVIRONMENT, YOLO_CONFIG_DIR=folder)
        try:
            yield
        finally:
            for name in set(os.environ) - set(environment):
                del os.environ[name]
            os.environ.update(environment)
            Image.open = image_open
            cv2.setNumThreads(threads)
            np.set_printoptions(**numpy_print)
            torch.set_printoptions(**torch_print)


class YoloInstances:
    """An ultralytics segmentation model: confidence and overlap thresholds, masks at the size that the
    model sees.

    `imgsz` is the longest side in pixels that pictures are reduced to; at most `most` instances, the surest
    first. Calling it keeps those of at least `conf`; `scored` gives all down to `LEAST`. Suppression goes
    from the surest down, so the less sure never take a place from the surer.
    """

    def __init__(
        self, model: nn.Module, imgsz: int = 640, conf: float = 0.25, iou: float = 0.7, most: int = 300
    ):
        if not 0 < conf < 1:
            raise ValueError(f"the instance confidence must lie between 0 and 1, got {conf}")
        self.model: Any = model.eval()
        self.imgsz, self.conf, self.iou, self.most = imgsz, conf, iou, most
        self._bill = Bill()
        self._nms = import_ultralytics("ultralytics.utils.nms").non_max_suppression
        self._process_mask = import_ultralytics("ultralytics.utils.ops").process_mask

    def __call__(self, image: np.ndarray) -> np.ndarray:
        return self._find(image, self.conf)[0]

    def instances(self, image: np.ndarray, from_boxes: FromBoxes) -> Instances:
        """Masks and confidences as `scored` has them, and what the network took at this size; see `csp.models.parts.Guide`."""
        (masks, sure), macs = self._bill(image.shape[:2], lambda: self.scored(image))
        return Instances(masks, sure, macs)

    def scored(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Masks bool [K, h, w] and confidences float32 [K], down to `LEAST`, the surest first."""
        return self._find(image, min(LEAST, self.conf))

    @torch.no_grad()
    def _find(self, image: np.ndarray, conf: float) -> tuple[np.ndarray, np.ndarray]:
        import cv2

        H, W = image.shape[:2]
        scale = self.imgsz / max(H, W)
        h, w = max(1, round(H * scale)), max(1, round(W * scale))
        small = cv2.resize(image, (w, h), interpolation=cv2.INTER_LINEAR)
        stride = int(self.model.stride.max())
        # Grey borders on both sides, as the model was trained with.
        top, left = (-h % stride) // 2, (-w % stride) // 2
        padded = np.full((h + -h % stride, w + -w % stride, 3), 114, np.uint8)
        padded[top : top + h, left : left + w] = small
        weight = next(self.model.parameters())
        pixels = torch.from_numpy(padded).to(weight.device).permute(2, 0, 1)[None].to(weight.dtype) / 255
        output = self.model(pixels)
        boxes, protos = output[0] if isinstance(output[0], tuple) else output[:2]
        # The suppression has a time limit of its own; a generous one keeps results independent of the load.
        found = self._nms(
            boxes, conf, self.iou, max_det=self.most, nc=len(self.model.names), max_time_img=60.0
        )[0]
        masks = self._process_mask(
            protos[0], found[:, 6:], found[:, :4], padded.shape[:2], upsample=True
        ).bool()
        masks = masks[:, top : top + h, left : left + w]
        seen = masks.any(dim=2).any(dim=1)
        return masks[seen].cpu().numpy(), found[seen, 4].float().cpu().numpy()


def read_yolo(file: str | Path) -> nn.Module:
    """An ultralytics SegmentationModel from a published .pt file ("yolo11n-seg.pt"), read without running what is in it.

    Raises ValueError for a file that is none, or holds more than weights and known layers.
    """
    tasks = import_ultralytics("ultralytics.nn.tasks")
    try:
        model, _ = tasks.load_checkpoint(str(file))
    except Exception as error:  # the library raises nearly anything for a broken or unsafe file
        raise ValueError(f"{str(file)!r} is no YOLO model that can be read safely: {str(error).splitlines()[0]}") from error
    if not isinstance(model, tasks.SegmentationModel):
        raise ValueError(f"{str(file)!r} finds no masks: it must be a segmentation model such as yolo11n-seg.pt")
    return model.eval()


def build_yolo(yaml_file: str | Path) -> nn.Module:
    """An ultralytics SegmentationModel from a yaml of layers; its scale letter ("yolo11n" -> n) is in the
    yaml or the name.

    Raises ValueError for a file that does not describe one.
    """
    import yaml

    tasks = import_ultralytics("ultralytics.nn.tasks")
    path = Path(yaml_file)
    layers = yaml.safe_load(path.read_text())
    if not isinstance(layers, dict) or "head" not in layers:
        raise ValueError(f"{path.name} does not describe a YOLO model: it needs backbone and head")
    scale = re.match(r"yolo(?:v|e-)?\d+([nslmx])", path.stem)
    if "scale" not in layers and scale:
        layers["scale"] = scale.group(1)
    # Given as a dict: a path would be looked up among the library's own models first.
    model = tasks.SegmentationModel(layers, verbose=False)
    names = layers.get("names") or [str(i) for i in range(layers["nc"])]
    model.names = dict(enumerate(names)) if isinstance(names, list) else dict(names)
    return model.eval()
