"""The two stages before any language: `train_sam` and `train_tower`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from csp.models.clip import CLIP_MEAN, CLIP_STD
from csp.models.sam import PIXEL_MEAN, PIXEL_STD
from csp.park.training import parts, sam as sam_stage, tower as tower_stage
from csp.park.training.clock import Clock
from csp.park.training.data import Pool


def _adam(groups: list[dict]) -> torch.optim.AdamW:
    return torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.98), weight_decay=0.01, fused=True)


def _small(masks: np.ndarray, side: int) -> Tensor:
    """bool [K, 224, 224] -> share of each cell covered, float32 [K, side, side]."""
    k, cell = len(masks), masks.shape[1] // side
    return torch.from_numpy(masks.reshape(k, side, cell, side, cell).mean((2, 4), dtype=np.float32))


def targets(ids: np.ndarray, objects: int, how_many: int, g: np.random.Generator) -> np.ndarray:
    """Random sets of one to three things (rarely none) as masks, bool [how_many, 224, 224]."""
    masks = []
    for _ in range(how_many):
        size = int(g.choice((0, 1, 2, 3), p=(0.05, 0.75, 0.13, 0.07)))
        chosen = g.choice(objects, size=min(size, objects), replace=False) + 1
        masks.append(np.isin(ids, chosen))
    return np.stack(masks)


def train_sam(
    pool: Pool,
    minutes: float,
    out: Path,
    seed: int = 0,
    batch: int = 6,
    prompts: int = 5,
    peak: float = 1.2e-3,
    again: bool = False,
) -> None:
    """`again`: go on from `out` with the prompt encoder frozen, so that what [SEG] learns to say keeps its meaning."""
    torch.manual_seed(seed)
    g = np.random.default_rng(seed)
    model = parts.sam()
    if out.exists():
        model.load_state_dict(torch.load(out, weights_only=True))
    model.prompt_encoder.requires_grad_(not again)
    width = parts.SAM["prompt_embed_dim"]
    helper = sam_stage.Dense(width, width)
    beside = out.with_name("sam_helper.pt")
    if beside.exists():
        helper.load_state_dict(torch.load(beside, weights_only=True))
    clock = Clock(minutes, peak, out.with_suffix(".log"))
    everything = [p for p in [*model.parameters(), *helper.parameters()] if p.requires_grad]
    optimiser = _adam([{"params": everything}])
    while clock.progress < 1:
        rows = g.integers(len(pool), size=batch)
        images = tower_stage.jitter(pool.images[rows], g)
        total, reached = torch.zeros(()), []
        with torch.autocast("cpu", torch.bfloat16):
            embedding = model.image_encoder(tower_stage.normalise(images, PIXEL_MEAN, PIXEL_STD, 1.0))
        codes = []
        for row in rows:
            alone = torch.from_numpy(tower_stage.shares(pool.ids[row], len(pool.objects[row]), sam_stage.GRID))
            codes.append(sam_stage.place_code(model, alone.view(-1, sam_stage.GRID, sam_stage.GRID)))
        dense = helper.loss(embedding.float(), np.stack([pool.ids[row] for row in rows]), codes)
        total = total + dense
        for k, row in enumerate(rows):
            masks = targets(pool.ids[row], len(pool.objects[row]), prompts, g)
            coarse = _small(masks, sam_stage.GRID)
            code = sam_stage.shaken(model, coarse)
            sparse = sam_stage.prompt(model, code, coarse.flatten(1).sum(1) == 0)
            with torch.autocast("cpu", torch.bfloat16):
                logits, iou = sam_stage.draw(model, embedding[k], sparse)
            error, got = sam_stage.loss(logits.float(), _small(masks, 112).round(), iou)
            total = total + error / batch
            reached.append(got)
        clock.tick(optimiser, total, everything)
        clock.note(
            loss=float(total.detach()), dense=float(dense.detach()), iou=float(torch.cat(reached).detach().mean())
        )
        if clock.due() or clock.progress == 1:
            torch.save(model.state_dict(), out)
            torch.save(helper.state_dict(), beside)


def train_tower(pool: Pool, minutes: float, out: Path, seed: int = 0, batch: int = 16) -> None:
    torch.manual_seed(seed)
    g = np.random.default_rng(seed + 1)
    model = parts.tower()
    width = parts.SAM["prompt_embed_dim"]
    heads = tower_stage.Heads(parts.CLIP["hidden_size"], width)
    if out.exists():
        saved = torch.load(out, weights_only=True)
        model.load_state_dict(saved["tower"])
        heads.load_state_dict(saved["heads"])
    pe = parts.sam().prompt_encoder.pe_layer((56, 56))
    table = pe.flatten(1).T.contiguous().numpy()
    clock = Clock(minutes, 1.2e-3, out.with_suffix(".log"))
    everything = [*model.parameters(), *heads.parameters()]
    optimiser = _adam([{"params": everything}])
    while clock.progress < 1:
        rows = g.integers(len(pool), size=batch)
        want = tower_stage.labels([pool.ids[r] for r in rows], [pool.objects[r] for r in rows], table)
        pixels = tower_stage.normalise(
            tower_stage.jitter(pool.images[rows], g), CLIP_MEAN, CLIP_STD, 255.0
        )
        with torch.autocast("cpu", torch.bfloat16):
            patches, cls = tower_stage.see(model, pixels)
        error = tower_stage.losses(heads, patches.float(), cls.float(), want)
        clock.tick(optimiser, sum(error.values(), torch.zeros(())), everything)
        thing = want.owner >= 0
        right = (heads.kind(patches.float().detach()).argmax(-1) == want.kind)[thing].float().mean()
        clock.note(**{k: float(v.detach()) for k, v in error.items()}, right=float(right))
        if clock.due():
            torch.save({"tower": model.state_dict(), "heads": heads.state_dict()}, out)
    torch.save({"tower": model.state_dict(), "heads": heads.state_dict()}, out)
