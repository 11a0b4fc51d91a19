"""Guides for Seg-First beside YOLO: transformers' own detectors, read from a folder in its format, with no AGPL in them.

RF-DETR finds masks. GroundingDINO finds boxes for a fixed list of words, and the mask head's own box prompt makes masks of
them (the paper's section 2.1). Both look at the picture alone: a list of words taken from the query would be another method.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from csp.models.counting import Bill, counted
from csp.models.instances import LEAST
from csp.models.parts import FromBoxes, Guide, Instances
from csp.models.weights import read_json

VOCABULARY = (
    "person", "animal", "bird", "vehicle", "furniture", "plant", "food", "electronic device", "sports equipment", "object",
)  # fmt: skip
"""What GroundingDINO is asked for: things of every kind, whatever the query says."""
SIDE = 448


class RfDetrGuide:
    """RF-DETR with its segmentation head (`RfDetrForInstanceSegmentation`): a mask for each of at most `most` queries.

    Pictures are stretched to a square of `side` pixels, a multiple of what its backbone's windows need. Of a query's classes
    the surest counts, so that no mask comes twice.
    """

    def __init__(self, model: Any, side: int = SIDE, most: int = 100):
        from transformers import RfDetrImageProcessor

        self.model: Any = model.eval()
        backbone: Any = self.model.config.backbone_config
        step = int(backbone.patch_size) * int(backbone.num_windows)
        if side < step or side % step:
            raise ValueError(f"an RF-DETR's side must be a multiple of {step} pixels (its windows need it), got {side}")
        self.side, self.most = side, most
        self._processor = RfDetrImageProcessor(size={"height": side, "width": side}, do_pad=False)
        self._bill = Bill()

    @torch.no_grad()
    def instances(self, image: np.ndarray, from_boxes: FromBoxes) -> Instances:
        """Masks at a quarter of the side, the surest first, down to `LEAST`; see `csp.models.parts.Guide`."""
        weight = next(self.model.parameters())
        pixels = self._processor(images=image, return_tensors="pt")["pixel_values"].to(weight.device, weight.dtype)
        out, macs = self._bill(tuple(pixels.shape), lambda: self.model(pixel_values=pixels))
        sure, order = out.logits[0].float().sigmoid().amax(dim=-1).sort(descending=True, stable=True)
        keep = order[sure >= LEAST][: self.most]
        masks = out.pred_masks[0, keep].float() > 0
        seen = masks.flatten(1).any(dim=1)
        return Instances(masks[seen].cpu().numpy(), sure[: len(keep)][seen].cpu().numpy(), macs)


class GroundingDinoGuide:
    """GroundingDINO (or MM-GroundingDINO), asked for every word of `vocabulary`; boxes become masks by the mask head.

    Of boxes that overlap by more than `overlap` the surest stays: the network itself suppresses nothing, and a thing found
    twice would get a double share of Nc. At most `most` boxes down to `least`.
    """

    def __init__(
        self,
        model: Any,
        processor: Any,
        vocabulary: tuple[str, ...] = VOCABULARY,
        least: float = 0.15,
        overlap: float = 0.7,
        most: int = 40,
    ):
        self.model: Any = model.eval()
        self.processor, self.vocabulary = processor, vocabulary
        self.least, self.overlap, self.most = least, overlap, most
        self._bill = Bill()

    @torch.no_grad()
    def instances(self, image: np.ndarray, from_boxes: FromBoxes) -> Instances:
        """Masks of the boxes found, the surest first; the bill holds the network and a box prompt for each."""
        boxes, sure, macs = self.boxes(image)
        if not len(boxes):
            return Instances(np.zeros((0, 1, 1), bool), sure, macs)
        first, once = counted(lambda: from_boxes(boxes[:1]))
        masks = np.concatenate([first, from_boxes(boxes[1:])]) if len(boxes) > 1 else first
        seen = masks.any(axis=(1, 2))
        return Instances(masks[seen], sure[seen], macs + once * len(boxes))

    def boxes(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
        """Boxes float32 [K, 4] (x0, y0, x1, y1) in picture pixels, confidences float32 [K], and what it took."""
        from torchvision.ops import nms  # type: ignore[import-untyped]

        weight = next(self.model.parameters())
        asked = self.processor(images=image, text=list(self.vocabulary), return_tensors="pt").to(weight.device)
        asked["pixel_values"] = asked["pixel_values"].to(weight.dtype)
        size = tuple(asked["pixel_values"].shape), tuple(asked["input_ids"].shape)
        out, macs = self._bill((*size[0], *size[1]), lambda: self.model(**asked))
        (found,) = self.processor.post_process_grounded_object_detection(
            out, asked["input_ids"], threshold=self.least, target_sizes=[image.shape[:2]]
        )
        boxes: Tensor = found["boxes"].float()
        sure: Tensor = found["scores"].float()
        limit = boxes.new_tensor([*image.shape[1::-1]] * 2)
        boxes = boxes.clamp_min(0).minimum(limit)
        keep = nms(boxes, sure, self.overlap)[: self.most]
        return boxes[keep].cpu().numpy(), sure[keep].cpu().numpy(), macs


GUIDES = ("rf_detr", "grounding-dino", "mm-grounding-dino")
"""The kinds of guide, as config.json names them, that `read_guide` knows."""


def read_guide(folder: Path, device: torch.device) -> Guide:
    """A guide from a folder in transformers' format (config.json, model.safetensors, preprocessor and tokenizer).

    Raises ValueError for a kind that is not known, or weights that do not fit.
    """
    import transformers as hf

    kind = read_json(folder / "config.json").get("model_type")
    if kind not in GUIDES:
        raise ValueError(f"{folder} holds a {kind!r}, guides are of the kinds {', '.join(GUIDES)}, or a YOLO segmentation model")
    detector: Any = {
        "rf_detr": hf.RfDetrForInstanceSegmentation,
        "grounding-dino": hf.GroundingDinoForObjectDetection,
        "mm-grounding-dino": hf.MMGroundingDinoForObjectDetection,
    }[kind]
    try:
        model, told = detector.from_pretrained(str(folder), use_safetensors=True, local_files_only=True, output_loading_info=True)
        processor = None if kind == "rf_detr" else hf.GroundingDinoProcessor.from_pretrained(str(folder), local_files_only=True)
    except (OSError, RuntimeError, ValueError, KeyError) as error:
        raise ValueError(f"{folder} cannot be read as a guide: {' '.join(str(error).split())[:300]}") from error
    if missing := sorted(told["missing_keys"]):
        raise ValueError(f"{folder} lacks {len(missing)} tensors of {kind}: {', '.join(missing[:3])}; fetch a segmentation model")
    model = model.to(device).requires_grad_(False)
    if kind != "rf_detr":
        return GroundingDinoGuide(model, processor)
    settings = folder / "preprocessor_config.json"
    size = read_json(settings).get("size", {}) if settings.is_file() else {}
    return RfDetrGuide(model, int(size.get("height") or SIDE))
