"""YOLO11n-seg on the same scenes, by ultralytics, for Seg-First; one class, "object". It goes on from the one that ships."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from safetensors.torch import load_file, save_file

from csp.models.instances import build_yolo, import_ultralytics
from csp.park.training.data import SIDE, Pool

LEAST_LABEL = 40  # visible pixels below which a thing is not labelled


def write_dataset(pool: Pool, folder: Path, val: int) -> Path:
    """Pictures and polygons in ultralytics' layout; the last `val` scenes are its own validation set."""
    from ultralytics.data.converter import merge_multi_segment

    for i in range(len(pool)):
        part = "val" if i >= len(pool) - val else "train"
        (folder / "images" / part).mkdir(parents=True, exist_ok=True)
        (folder / "labels" / part).mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / "images" / part / f"{i:06d}.png"), pool.images[i][..., ::-1])
        lines = []
        for k in range(len(pool.objects[i])):
            mask = (pool.ids[i] == k + 1).astype(np.uint8)
            if mask.sum() < LEAST_LABEL:
                continue
            found, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
            pieces = [c[:, 0].astype(float) for c in found if len(c) >= 4 and cv2.contourArea(c) >= 6]
            if not pieces:
                continue
            outline = (
                pieces[0] if len(pieces) == 1 else np.concatenate(merge_multi_segment([p.reshape(-1).tolist() for p in pieces]))
            )
            points = np.clip((outline.reshape(-1, 2) + 0.5) / SIDE, 0, 1)
            lines.append("0 " + " ".join(f"{v:.4f}" for v in points.reshape(-1)))
        (folder / "labels" / part / f"{i:06d}.txt").write_text("\n".join(lines))
    data = folder / "data.yaml"
    data.write_text(f"path: {folder.resolve()}\ntrain: images/train\nval: images/val\nnames:\n  0: object\n")
    return data


def train_instances(data: Path, start: Path, minutes: float, out: Path, seed: int = 0) -> None:
    """`start` holds a yolo11n-seg.yaml with nc: 1 and weights to go on from, as `export_instances` writes them; leaves runs and
    weights in `out`.
    """
    YOLO = import_ultralytics().YOLO

    options: dict[str, Any] = dict(
        data=str(data), imgsz=SIDE, time=minutes / 60, batch=16, device="cpu", workers=0, plots=False, amp=False,
        project=str(out), name="run", exist_ok=True, seed=seed, optimizer="AdamW", lr0=0.001, lrf=0.02,
        cos_lr=True, warmup_epochs=0.3, warmup_bias_lr=0.0,
        mosaic=0.0, close_mosaic=0, hsv_h=0.01, hsv_s=0.2, hsv_v=0.2, scale=0.1, translate=0.05, fliplr=0.5, erasing=0.0,
        save_period=1, val=False, cache="ram",
    )  # fmt: skip
    known = build_yolo(start / "yolo11n-seg.yaml")
    known.load_state_dict(load_file(start / "model.safetensors"))
    YOLO(str(start / "yolo11n-seg.yaml"), task="segment").load(known.float()).train(**options)


def export_instances(weights: Path, folder: Path) -> None:
    """A trained .pt of our own -> yolo11n-seg.yaml beside float16 safetensors."""
    YOLO = import_ultralytics().YOLO

    model: Any = YOLO(str(weights)).model
    state = {k: (v.half() if v.is_floating_point() else v).contiguous().cpu() for k, v in model.state_dict().items()}
    folder.mkdir(parents=True, exist_ok=True)
    save_file(state, folder / "model.safetensors")
