"""Training the decoder on what the frozen tower sees: `stage`, `train_reason`, `deepen`, `score`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from segment_anything.modeling import Sam
from torch import Tensor
from torch.nn import functional as F
from transformers import CLIPVisionModel

from csp.models.clip import CLIP_MEAN, CLIP_STD
from csp.models.sam import PIXEL_MEAN, PIXEL_STD
from csp.park import language, words
from csp.park.scenes import Scene, scene as draw_scene
from csp.park.training import parts, reason, sam as sam_stage, tower as tower_stage
from csp.park.training.clock import Clock
from csp.park.training.data import SIDE, Pool

MIX = {"ref": 4, "ref+": 4, "refg": 8, "reason": 4, "intent": 3, "absent": 2}
"""Queries a scene: relations are the slowest to learn."""


@torch.no_grad()
def features(model: CLIPVisionModel, images: np.ndarray, batch: int = 32) -> Tensor:
    """hidden_states[-2] of every picture, float16 [n, N, d]."""
    found = []
    for at in range(0, len(images), batch):
        pixels = tower_stage.normalise(np.asarray(images[at : at + batch]), CLIP_MEAN, CLIP_STD, 255.0)
        with torch.autocast("cpu", torch.bfloat16):
            found.append(tower_stage.see(model, pixels)[0].half())
    return torch.cat(found)


@dataclass
class World:
    """A pool as the decoder meets it: features, facts and scenes."""

    pool: Pool
    seen: Tensor
    facts: list[tower_stage.Facts]

    def batch(
        self, rows: list[int], packer: reason.Packer, each: Mapping[str, int], stream: int, g: np.random.Generator
    ) -> tuple[Tensor, reason.Batch]:
        objects = [self.pool.objects[r] for r in rows]
        asked = [language.queries(self.light(r), each=each, stream=stream) for r in rows]
        return self.seen[rows].float(), packer([self.facts[r] for r in rows], objects, asked, g)

    def light(self, row: int) -> Scene:
        return Scene(row, self.pool.split, self.pool.images[row], self.pool.ids[row], self.pool.objects[row])


@dataclass
class Stage:
    """What training the decoder needs: SAM and both worlds, with SAM's embeddings of the validation scenes."""

    sam: Sam
    train: World
    held: World
    embeddings: Tensor


def load_sam(work: Path) -> Sam:
    sam = parts.sam()
    sam.load_state_dict(torch.load(work / "sam.pt", weights_only=True))
    return sam.requires_grad_(False)


def load_tower(work: Path) -> CLIPVisionModel:
    model = parts.tower()
    model.load_state_dict(torch.load(work / "tower.pt", weights_only=True)["tower"])
    return model.requires_grad_(False)


def stage(pool: Pool, work: Path, validation: int) -> Stage:
    """Everything frozen, looked at once; features of the training scenes are kept in `work`."""
    sam, model = load_sam(work), load_tower(work)
    table, file = code_table(sam), work / "seen.pt"
    if not file.exists():
        torch.save(features(model, pool.images), file)
    scenes = [draw_scene(i, "val", SIDE) for i in range(validation)]
    images = np.stack([s.image for s in scenes])
    held = Pool("val", images, np.stack([s.instances for s in scenes]), [s.objects for s in scenes])
    with torch.no_grad():
        pixels = tower_stage.normalise(images, PIXEL_MEAN, PIXEL_STD, 1.0)
        embeddings = torch.cat([sam.image_encoder(part) for part in pixels.split(20)])
    seen = torch.load(file, weights_only=True)
    return Stage(sam, world(pool, seen, table), world(held, features(model, images), table), embeddings)


def world(pool: Pool, seen: Tensor, table: np.ndarray) -> World:
    known = [tower_stage.facts(np.asarray(pool.ids[i]), len(pool.objects[i]), table) for i in range(len(pool))]
    return World(pool, seen, known)


def code_table(sam: Sam) -> np.ndarray:
    return sam.prompt_encoder.pe_layer((56, 56)).flatten(1).T.contiguous().numpy()


def deepen(model: reason.Reasoner, repeats: list[int], look: dict[int, float], half: int) -> reason.Reasoner:
    """Repeat layer i `repeats[i]` times, its two output projections divided by that: nearly the same function, deeper."""
    shape = replace(
        model.shape,
        depth=sum(repeats),
        look=tuple(look.items()),
        half=half,
        word=sum(repeats[: model.shape.word + 1]) - 1,
    )
    vocab, width = model.llm.config.vocab_size, parts.SAM["prompt_embed_dim"]
    deeper = reason.Reasoner(shape, vocab, parts.CLIP["hidden_size"], width)
    state = {k: v for k, v in model.state_dict().items() if not k.startswith("llm.layers.")}
    at = 0
    for i, times in enumerate(repeats):
        for _ in range(times):
            for name, value in model.llm.layers[i].state_dict().items():
                out = name.endswith(("o_proj.weight", "down_proj.weight"))
                state[f"llm.layers.{at}.{name}"] = value / times if out else value
            at += 1
    deeper.load_state_dict(state)
    return deeper


@torch.no_grad()
def score(model: reason.Reasoner, stage: Stage, packer: reason.Packer) -> dict[str, float]:
    """On validation scenes: gIoU by family, the share of queries whose best token of `half` lies on the target."""
    model.eval()
    totals: dict[str, list[float]] = {}
    for row in range(len(stage.embeddings)):
        scene = stage.held.light(row)
        asked = language.queries(scene, each=1)
        batch = packer([stage.held.facts[row]], [scene.objects], [asked])
        with torch.autocast("cpu", torch.bfloat16):
            out = model(stage.held.seen[row : row + 1].float(), torch.tensor(packer.system), batch)
        logits, _ = sam_stage.draw(stage.sam, stage.embeddings[row], out["code"][0].float())
        masks = F.interpolate(logits[:, None], scene.instances.shape, mode="bilinear")[:, 0] > 0
        for m, query in enumerate(asked):
            truth, mask = scene.mask(query.targets), masks[m].numpy()
            union = (truth | mask).sum()
            totals.setdefault(query.family, []).append(float((truth & mask).sum() / union) if union else 1.0)
            if query.targets:
                for i, _ in model.shape.look:
                    top = int(out[f"A{i}"][0, m].argmax())
                    totals.setdefault(f"top{i}", []).append(float(batch.cover[0, m, top] >= tower_stage.LEAST_COVER))
    model.train()
    means = {k: float(np.mean(v)) for k, v in totals.items()}
    means["all"] = float(np.mean([means[f] for f in language.FAMILIES if f != "absent"]))
    return means


def prompts(sam: Sam, batch: reason.Batch) -> Tensor:
    flat = sam_stage.prompt(sam, batch.code.flatten(0, 1), batch.absent.flatten())
    return flat.view(*batch.code.shape)


def train_reason(
    model: reason.Reasoner, stage: Stage, minutes: float, out: Path, peak: float, aids: float = 1.0,
    scenes: int = 8, each: Mapping[str, int] = MIX, seed: int = 0,
) -> None:  # fmt: skip
    """`aids` in 0..1 scales the losses that only help to start; they fade over the first 60 % of the time."""
    torch.manual_seed(seed)
    g = np.random.default_rng(seed + 5)
    packer = reason.Packer(words.build())
    system = torch.tensor(packer.system)
    clock = Clock(minutes, peak, out.with_suffix(".log"))
    optimiser = torch.optim.AdamW(model.parameters(), lr=peak, betas=(0.9, 0.98), weight_decay=0.02, fused=True)
    next_score = 4.0
    while clock.progress < 1:
        rows = g.integers(len(stage.train.pool), size=scenes).tolist()
        seen, batch = stage.train.batch(rows, packer, each, 1000 + clock.step, g)
        seen = seen + torch.randn_like(seen) * 0.05 * seen.std()
        with torch.autocast("cpu", torch.bfloat16):
            states = model(seen, system, batch)
        error = reason.losses(
            model, states, batch, prompts(stage.sam, batch), aids * max(0.0, 1 - 1.6 * clock.progress)
        )
        clock.tick(optimiser, torch.stack(list(error.values())).sum(), model.parameters())
        clock.note(**{k: float(v.detach()) for k, v in error.items()})
        if clock.progress * minutes > next_score:
            next_score += 5.0
            found = score(model, stage, packer)
            with out.with_suffix(".log").open("a") as file:
                file.write(f"step {clock.step} " + json.dumps({k: round(v, 3) for k, v in found.items()}) + "\n")
        if clock.due(120):
            save(model, out)
    save(model, out)


def save(model: reason.Reasoner, out: Path) -> None:
    torch.save({"state": model.state_dict(), "shape": json.dumps(asdict(model.shape))}, out)


def restore(path: Path) -> reason.Reasoner:
    saved = torch.load(path, weights_only=True)
    raw = json.loads(saved["shape"])
    shape = reason.Shape(**{**raw, "look": tuple((int(a), float(b)) for a, b in raw["look"])})
    vocab, width = words.build().get_vocab_size(), parts.SAM["prompt_embed_dim"]
    model = reason.Reasoner(shape, vocab, parts.CLIP["hidden_size"], width)
    model.load_state_dict(saved["state"])
    return model
