"""The two stages before any language, `train_segmenter` and `train_tower`; neither needs the other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

import csp
from csp.models.clip import CLIP_MEAN, CLIP_STD
from csp.models.sam import PIXEL_MEAN, PIXEL_STD
from csp.park.training import optimiser, parts, segmenter, vision
from csp.park.training.clock import Clock
from csp.park.training.data import Pool
from csp.park.training.facts import of_pool

DECAY = 0.01
OWN = 6  # prompts a scene that a decoder said


def code_table() -> np.ndarray:
    """SAM's position code on a grid of 56 x 56, [3136, width]."""
    return parts.sam().prompt_encoder.pe_layer((56, 56)).flatten(1).T.contiguous().numpy()


def _small(masks: np.ndarray, side: int) -> Tensor:
    """bool [K, 224, 224] -> share of each cell covered, float32 [K, side, side]."""
    k, cell = len(masks), masks.shape[1] // side
    return torch.from_numpy(masks.reshape(k, side, cell, side, cell).mean((2, 4), dtype=np.float32))


def targets(areas: np.ndarray, how_many: int, g: np.random.Generator) -> list[np.ndarray]:
    """Random sets of one to five things (rarely none); small things are drawn more often."""
    odds = (1 / np.sqrt(areas + 0.002)) / (1 / np.sqrt(areas + 0.002)).sum()
    sizes = g.choice(6, p=(0.04, 0.66, 0.13, 0.09, 0.05, 0.03), size=how_many)
    return [g.choice(len(areas), size=min(int(n), len(areas)), replace=False, p=odds) for n in sizes]


def _knowing(folder: Path) -> dict[str, Tensor]:
    """What a park model's SAM knows of things and edges: all but its prompt side, which is fixed and differs between models."""
    sam = csp.load(folder, device="cpu", dtype=torch.float32).mask_head.sam
    return {name: tensor for name, tensor in sam.state_dict().items() if not name.startswith("prompt_encoder.")}


def train_segmenter(
    pool: Pool, minutes: float, out: Path, seed: int = 0, batch: int = 6, prompts: int = 5, peak: float = 6e-4,
    start: Path | None = None, said: segmenter.Said | None = None,
) -> None:  # fmt: skip
    """SAM, told places and nothing else; goes on from `out` where it is there, else from the SAM of the model in `start`. With
    `said`, the
    scenes are those and most prompts a decoder's own.
    """
    clock = Clock(minutes, peak, out.with_suffix(".log"))
    torch.manual_seed(seed + clock.steps)
    g = np.random.default_rng([seed, clock.steps])
    model = parts.sam()
    width = parts.SAM["prompt_embed_dim"]
    helper = segmenter.Dense(width, width)
    if out.exists():
        saved = torch.load(out, weights_only=True)
        model.load_state_dict(saved["sam"])
        helper.load_state_dict(saved["helper"])
    elif start is not None:
        model.load_state_dict(_knowing(start), strict=False)
    known = of_pool(pool, code_table())
    everything = [p for p in [*model.parameters(), *helper.parameters()] if p.requires_grad]
    stepping = optimiser.of((model, helper), peak, DECAY)
    while clock.progress < 1:
        rows = g.integers(len(pool if said is None else said), size=batch)
        images = vision.jitter(pool.images[rows], g)
        total, reached, little = torch.zeros(()), [], []
        with torch.autocast("cpu", torch.bfloat16):
            embedding = model.image_encoder(vision.normalise(images, PIXEL_MEAN, PIXEL_STD, 1.0))
        codes = [torch.from_numpy(known[row].codes) for row in rows]
        dense = helper.loss(embedding.float(), pool.ids[rows], codes)
        total = total + dense
        for k, row in enumerate(rows):
            areas = np.array([t.area for t in pool.objects[row]])
            chosen = targets(areas, prompts, g)
            code, masks = segmenter.told(known[row].codes, pool.ids[row], chosen)
            sparse = segmenter.prompt(model, segmenter.shaken(model, code, _small(masks, segmenter.GRID)), code.abs().sum(1) == 0)
            if said is not None and len(said.prompts[row]):
                own = g.choice(len(said.prompts[row]), size=min(OWN, len(said.prompts[row])), replace=False)
                chosen += [said.targets[row][i] for i in own]
                masks = np.concatenate([masks, segmenter.told(known[row].codes, pool.ids[row], chosen[-len(own) :])[1]])
                sparse = torch.cat([sparse, said.prompts[row][own].float()])
            with torch.autocast("cpu", torch.bfloat16):
                logits, iou = segmenter.draw(model, embedding[k], sparse)
            error, got = segmenter.loss(logits.float(), _small(masks, 112), iou)
            total = total + error / batch
            reached.append(got.detach())
            little += [float(v) for v, c in zip(got.detach(), chosen, strict=True) if 0 < areas[c].sum() < 0.01]
        clock.tick(stepping, total, everything)
        clock.note(loss=float(total.detach()), dense=float(dense.detach()), iou=float(torch.cat(reached).mean()))
        for value in little:
            clock.note(small=value)
        if clock.due() or clock.progress == 1:
            torch.save({"sam": model.state_dict(), "helper": helper.state_dict()}, out)
            clock.keep()


def train_tower(pool: Pool, minutes: float, out: Path, seed: int = 0, batch: int = 16, peak: float = 1.2e-3) -> None:
    """The vision tower; half of the pictures are mirrored. Goes on from `out` where it is there."""
    clock = Clock(minutes, peak, out.with_suffix(".log"))
    torch.manual_seed(seed + clock.steps)
    g = np.random.default_rng([seed + 1, clock.steps])
    model = parts.tower(learning=True)
    heads = vision.Heads(parts.CLIP["hidden_size"], parts.SAM["prompt_embed_dim"])
    if out.exists():
        saved = torch.load(out, weights_only=True)
        model.load_state_dict(saved["tower"])
        heads.load_state_dict(saved["heads"])
    table = code_table()
    known = {mirrored: of_pool(pool, table, mirrored) for mirrored in (False, True)}
    everything = [*model.parameters(), *heads.parameters()]
    stepping = optimiser.of((model, heads), peak, DECAY)
    while clock.progress < 1:
        rows, mirrored = g.integers(len(pool), size=batch), bool(g.random() < 0.5)
        want = vision.labels(
            [known[mirrored][r] for r in rows], [pool.objects[r] for r in rows], [pool.marks[r] for r in rows], mirrored
        )
        images = pool.images[rows][:, :, ::-1] if mirrored else pool.images[rows]
        pixels = vision.normalise(vision.jitter(images, g), CLIP_MEAN, CLIP_STD, 255.0)
        with torch.autocast("cpu", torch.bfloat16):
            patches, cls = vision.see(model, pixels)
        error = vision.losses(heads, patches.float(), cls.float(), want)
        clock.tick(stepping, torch.stack(list(error.values())).sum(), everything)
        thing = want.owner >= 0
        right = (heads.kind(patches.float().detach()).argmax(-1) == want.kind)[thing].float().mean()
        clock.note(**{k: float(v.detach()) for k, v in error.items()}, right=float(right))
        if clock.due() or clock.progress == 1:
            torch.save({"tower": model.state_dict(), "heads": heads.state_dict()}, out)
            clock.keep()
