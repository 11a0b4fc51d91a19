"""What the decoder is trained for. No loss names a layer: those on attention, states and words read one drawn anew each step."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from csp.park.draw import COLOURS, KINDS
from csp.park.training.decoder import POINTERS
from csp.park.training.packing import Batch

WEIGHTS: dict[str, tuple[float, str]] = {
    "code": (2.0, "last layer: distance of [SEG]'s code from the target's (not squared: the likelier of two, not their mean)"),
    "choice": (1.5, "last layer: chance that the code picks the target among all things of the picture and none"),
    "box": (3.0, "last layer: box of the target"),
    "half": (0.4, "drawn layer: the code"),
    "half_box": (1.5, "drawn layer: the box"),
    "A": (0.5, "drawn layer: share of A_SEG on the target"),
    "point": (0.7, "drawn layer: a pointer finds the target"),
    "mark": (0.5, "drawn layer: a pointer finds the landmark that a relation goes by"),
    "fits": (0.3, "drawn layer: a pointer finds all that the name fits"),
    "word": (0.5, "drawn layer: names, colours and landmarks find what they name"),
    "parse": (0.4, "drawn layer: which kinds and colour are asked for"),
    "names": (0.2, "projected patches: kind, colour, landmark"),
}
"""Every loss with its weight and the layers that it reads; the card prints this list."""
AIDS = ("word", "parse", "names")
"""Losses that help to start and may fade."""


def _mass(scores: Tensor, cover: Tensor, where: Tensor) -> Tensor:
    """-log of the share of `scores` [..., N] that lies on `cover`, mean over `where`."""
    share = (scores * cover).sum(-1) / scores.sum(-1).clamp(min=1e-9)
    return -(share[where].clamp(min=1e-5)).log().sum() / where.sum().clamp(min=1)


def distance(code: Tensor, target: Tensor) -> Tensor:
    """Euclidean, smooth at 0, in units of a coordinate: [..., width] -> [...]."""
    return ((code - target).square().mean(-1) + 1e-3).sqrt()


def choice(code: Tensor, things: Tensor, none: Tensor, chosen: Tensor, absent: Tensor, sharpness: float = 60.0) -> Tensor:
    """1 - chance of the target where a softmax over squared distances picks one of the things [B, K, width] or `none` [width].

    A chance, not its logarithm: its best answer to doubt is the likelier thing, where a logarithm's is a code between both.
    """
    options = torch.cat([things, none.expand(len(things), 1, -1)], 1)
    far = (code[:, :, None] - options[:, None]).square().mean(-1)
    empty = torch.cat([things.abs().sum(-1) == 0, torch.zeros(len(things), 1, dtype=torch.bool)], 1)
    odds = (-far * sharpness).masked_fill(empty[:, None], -1e4).softmax(-1)
    return 1 - (odds * torch.cat([chosen, absent[..., None]], -1)).sum(-1)


def losses(out: dict[str, Tensor], batch: Batch, prompt: Tensor, none: Tensor, shift: Tensor, aids: float) -> dict[str, Tensor]:
    """Weighted losses. `prompt` [B, M, width]: SAM's prompt for the target; `none` [width]: for nothing; `shift` [width]: what
    a prompt
    adds to a place code. `aids` in 0..1 scales those of AIDS.
    """
    real, there = batch.real, batch.real & ~batch.absent
    full, single = batch.cover.clamp(max=1.0), (batch.chosen.sum(-1) <= 1) & real
    point = dict(zip(POINTERS, out["point"].float().softmax(-1).unbind(1), strict=True))
    marked, few = batch.mark.sum(-1) > 0, batch.fits.sum(-1) > 0
    things = torch.where(batch.things.abs().sum(-1, keepdim=True) > 0, batch.things + shift, 0.0)
    error = {
        "code": distance(out["code"].float(), prompt)[real].mean(),
        "choice": choice(out["code"].float(), things, none, batch.chosen, batch.absent)[single].mean(),
        "box": F.l1_loss(out["box"].float()[there], batch.box[there]),
        "half": distance(out["half_code"].float(), prompt)[real].mean(),
        "half_box": F.l1_loss(out["half_box"].float()[there], batch.box[there]),
        "A": _mass(out["A"].float(), full, there),
        "point": _mass(point["target"], full, there),
        "mark": _mass(point["landmark"], batch.mark.clamp(max=1.0), marked & there),
        "fits": _mass(point["fits"], batch.fits.clamp(max=1.0), few & there),
    }
    if aids > 0:
        parsed = out["parsed"].float()
        kinds = F.binary_cross_entropy_with_logits(
            parsed[..., : len(KINDS)][real], batch.kinds[real], pos_weight=torch.tensor(4.0)
        )
        colour = F.cross_entropy(parsed[..., len(KINDS) :][real], batch.colour[real])
        b, t = torch.nonzero(batch.concept >= 0, as_tuple=True)
        shows = batch.shows[b, batch.concept[b, t]]
        seen = shows.any(1)
        b, t, shows = b[seen], t[seen], shows[seen]
        z = torch.einsum("kc,knc->kn", out["word_q"].float()[b, t], out["word_k"].float()[b]) / 8
        names = out["names"].float().flatten(0, 1)
        k, c = len(KINDS) + 1, len(KINDS) + 1 + len(COLOURS)
        error["word"] = _mass(z.softmax(-1), shows.float(), torch.ones(len(b), dtype=torch.bool))
        error["parse"] = kinds + colour
        error["names"] = (
            F.cross_entropy(names[:, :k], batch.patch_kind.flatten())
            + F.cross_entropy(names[:, k:c], batch.patch_colour.flatten(), ignore_index=-100)
            + F.cross_entropy(names[:, c:], batch.patch_mark.flatten(), ignore_index=-100)
        )
    return {name: value * WEIGHTS[name][0] * (aids if name in AIDS else 1.0) for name, value in error.items()}
