"""Training the decoder on what the frozen tower sees: `classroom`, `train_decoder`, `score`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
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
from csp.park.training import objectives, optimiser, parts, segmenter, vision
from csp.park.training.clock import Clock
from csp.park.training.data import Pool
from csp.park.training.decoder import Look, Reasoner, Shape
from csp.park.training.facts import LEAST_COVER, Facts, of_pool
from csp.park.training.packing import Batch, Packer
from csp.park.training.seeing import code_table

MIX: dict[str, int] = {
    "ref": 4, "ref:compared": 5, "ref+": 4, "ref+:compared": 4, "refg": 6, "refg:near": 4, "reason": 5, "intent": 4, "absent": 7,
}  # fmt: skip
"""Queries a scene once relations are in the lesson. What compares things is learnt last and asked most: relations stood still
at 9 of 38, places and sizes at 3 of 39.
"""
START: dict[str, int] = {"ref": 12, "ref+": 10, "refg": 2, "refg:near": 1, "reason": 6, "intent": 5, "absent": 3}
DECAY = 0.02
STARTING = 600  # steps in which names come first


@torch.no_grad()
def features(model: CLIPVisionModel, images: np.ndarray, batch: int = 32) -> Tensor:
    """hidden_states[-2] of every picture, float16 [n, N, d]."""
    found = []
    for at in range(0, len(images), batch):
        pixels = vision.normalise(np.ascontiguousarray(images[at : at + batch]), CLIP_MEAN, CLIP_STD, 255.0)
        with torch.autocast("cpu", torch.bfloat16):
            found.append(vision.see(model, pixels)[0].half())
    return torch.cat(found)


@dataclass
class World:
    """A pool as the decoder meets it: features, facts and what words go by."""

    pool: Pool
    seen: Tensor
    facts: list[Facts]

    def batch(
        self, rows: list[int], packer: Packer, each: Mapping[str, int], stream: int, g: np.random.Generator
    ) -> tuple[Tensor, Batch]:
        parks = [self.pool.park(r) for r in rows]
        asked = [language.queries(p, each=each, stream=stream, slips=language.SLIPS) for p in parks]
        return self.seen[rows].float(), packer([self.facts[r] for r in rows], parks, asked, g)


@dataclass
class Classroom:
    """What training the decoder needs; `sam` and its `embeddings` of the validation scenes where a segmenter is trained
    already.
    """

    train: World
    held: World
    plain: Sam  # its prompt side never changes
    sam: Sam | None
    embeddings: Tensor | None


def load_segmenter(file: Path) -> Sam:
    sam = parts.sam()
    sam.load_state_dict(torch.load(file, weights_only=True)["sam"])
    return sam.requires_grad_(False)


def load_tower(file: Path) -> CLIPVisionModel:
    model = parts.tower()
    model.load_state_dict(torch.load(file, weights_only=True)["tower"])
    return model.requires_grad_(False)


def classroom(pool: Pool, held: Pool, work: Path) -> Classroom:
    """Everything frozen, looked at once; features of the training scenes are kept in `work` for as long as the tower is the
    same.
    """
    tower, table = load_tower(work / "tower.pt"), code_table()
    steps = json.loads((work / "tower.json").read_text())["steps"]
    file = work / f"seen-{steps}-{len(pool)}.pt"
    if not file.exists():
        for old in work.glob("seen-*.pt"):
            old.unlink()
        torch.save(features(tower, pool.images), file)
    seen = torch.load(file, weights_only=True)
    sam, embeddings = None, None
    if (work / "segmenter.pt").exists():
        sam = load_segmenter(work / "segmenter.pt")
        with torch.no_grad():
            pixels = vision.normalise(held.images, PIXEL_MEAN, PIXEL_STD, 1.0)
            embeddings = torch.cat([sam.image_encoder(part) for part in pixels.split(20)])
    return Classroom(
        World(pool, seen, of_pool(pool, table)),
        World(held, features(tower, held.images), of_pool(held, table)),
        parts.sam().requires_grad_(False),
        sam,
        embeddings,
    )


def nothing(sam: Sam) -> tuple[Tensor, Tensor]:
    """SAM's prompt for nothing, and what it adds to a place code for something: both [width]."""
    return sam.prompt_encoder.not_a_point_embed.weight[0], sam.prompt_encoder.point_embeddings[1].weight[0]


def prompts(sam: Sam, batch: Batch) -> Tensor:
    flat = segmenter.prompt(sam, batch.code.flatten(0, 1), batch.absent.flatten())
    return flat.view(*batch.code.shape)


def _iou(truth: np.ndarray, mask: np.ndarray) -> float:
    union = (truth | mask).sum()
    return float((truth & mask).sum() / union) if union else 1.0


@torch.no_grad()
def score(model: Reasoner, room: Classroom, packer: Packer, each: int = 1) -> dict[str, float]:
    """On validation scenes, by family: gIoU (`iou.`) where a segmenter is there, how often the code is nearest to exactly what is
    meant (`hit.`), and by layer how often the best token lies on the target (`top`).
    """
    model.eval()
    totals: dict[str, list[float]] = {}
    none, shift = nothing(room.plain)
    note = lambda name, value: totals.setdefault(name, []).append(float(value))  # noqa: E731
    for row in range(len(room.held.pool)):
        park = room.held.pool.park(row)
        asked = language.queries(park, each=each)
        batch = packer([room.held.facts[row]], [park], [asked])
        out = model(room.held.seen[row : row + 1].float(), torch.tensor(packer.system), batch)
        codes = out["code"][0].float()
        options = torch.cat([batch.things[0, : len(park.objects)] + shift, none[None]])
        nearest = torch.cdist(codes, options).argmin(1)
        wanted = torch.cat([batch.chosen[0, :, : len(park.objects)], batch.absent[0, :, None]], 1)
        masks = None
        if room.sam is not None and room.embeddings is not None:
            logits, _ = segmenter.draw(room.sam, room.embeddings[row], codes)
            masks = F.interpolate(logits[:, None], room.held.pool.ids[row].shape, mode="bilinear")[:, 0] > 0
        for m, query in enumerate(asked):
            note(f"hit.{query.family}", wanted[m, nearest[m]])
            if query.meaning is not None and query.meaning.relation is not None and query.targets:
                note(f"hit.{query.meaning.relation[0]}", wanted[m, nearest[m]])
            if masks is not None:
                truth = room.held.pool.mask(row, query.targets)
                note(f"iou.{query.family}", _iou(truth, masks[m].numpy()))
            for i in range(model.shape.depth if query.targets else 0):
                top = int(out[f"A{i}"][0, m].argmax())
                note(f"top{i}", batch.cover[0, m, top] >= LEAST_COVER)
    model.train()
    return {name: round(float(np.mean(values)), 3) for name, values in totals.items()}


def train_decoder(
    model: Reasoner, room: Classroom, minutes: float, out: Path, peak: float = 1.2e-3, aids: float = 1.0,
    scenes: int = 4, each: Mapping[str, int] | None = None, seed: int = 0, every: float = 8.0, attention: tuple[int, ...] | None
    = (), stress: float = 1.0,
) -> None:  # fmt: skip
    """Go on with `model`; its weights, tokens and shape are kept in `out`. `each`: queries a scene (default: START, then MIX).

    `attention` and `stress` are for the experiment alone: layers that the attention loss is bound to (None: no such loss; the
    recipe's own, (), draws one anew each step), and what its weight is multiplied by.
    """
    clock = Clock(minutes, peak, out.with_suffix(".log"))
    torch.manual_seed(seed + clock.steps)
    g = np.random.default_rng([seed + 5, clock.steps])
    packer = Packer(words.build())
    system = torch.tensor(packer.system)
    none, shift = nothing(room.plain)
    stepping = optimiser.of((model,), peak, DECAY)
    next_score = every
    while clock.progress < 1:
        rows = g.integers(len(room.train.pool), size=scenes).tolist()
        mix = each or (START if clock.steps < STARTING else MIX)
        seen, batch = room.train.batch(rows, packer, mix, 1000 + clock.steps, g)
        seen = seen + torch.randn_like(seen) * 0.05 * seen.std()
        look = Look.draw(model.shape.depth, g)
        if attention:
            look = Look(int(g.choice(attention)), look.state, look.word)
        states = model(seen, system, batch, look)
        error = objectives.losses(states, batch, prompts(room.plain, batch), none, shift, aids)
        if attention is None:
            del error["A"]
        else:
            error["A"] = error["A"] * stress
        clock.tick(stepping, torch.stack(list(error.values())).sum(), model.parameters())
        clock.note(**{k: float(v.detach()) for k, v in error.items()})
        if clock.progress * minutes > next_score or clock.progress == 1:
            next_score += every
            found = {"step": clock.steps, "cpu_minutes": round(clock.cpu_minutes, 1), **score(model, room, packer)}
            with out.with_suffix(".scores.jsonl").open("a") as file:
                file.write(json.dumps(found) + "\n")
        if clock.due(120) or clock.progress == 1:
            save(model, out)
            clock.keep()


def save(model: Reasoner, out: Path) -> None:
    kept = {"state": model.state_dict(), "shape": json.dumps(asdict(model.shape)), "words": json.dumps(list(words.vocabulary()))}
    torch.save(kept, out)


def fresh(shape: Shape) -> Reasoner:
    return Reasoner(shape, len(words.vocabulary()), parts.CLIP["hidden_size"], parts.SAM["prompt_embed_dim"])


def restore(path: Path) -> Reasoner:
    """A saved decoder; a token that the tokenizer has today and had not then starts from the mean of the others."""
    saved = torch.load(path, weights_only=True)
    model = fresh(Shape(**json.loads(saved["shape"])))
    state, then = saved["state"], json.loads(saved["words"])
    now, name = words.vocabulary(), "llm.embed_tokens.weight"
    if tuple(then) != now:
        at = {token: i for i, token in enumerate(then)}
        mean = state[name].mean(0)
        state[name] = torch.stack([state[name][at[token]] if token in at else mean for token in now])
    model.load_state_dict(state)
    return model


def mean(one: Reasoner, other: Reasoner) -> Reasoner:
    """Halfway between two decoders of one run, weight by weight: two ends of cooled slices stand at the rim of one basin
    (Izmailov et al. 2018, stochastic weight averaging). ValueError where their shapes differ.
    """
    if one.shape != other.shape:
        raise ValueError(f"the mean is of decoders of one shape, got {one.shape} and {other.shape}: deepen the shallower first")
    made, theirs = fresh(one.shape), other.state_dict()
    made.load_state_dict({name: torch.lerp(value, theirs[name], 0.5) for name, value in one.state_dict().items()})
    return made
