"""What a trained decoder says of its training scenes: the prompts that the segmenter will be given once both are one model.

A code that a decoder regresses is off by more than any made-up blur, and in ways of its own; a segmenter that has met
such codes draws the thing that is meant all the same.
"""

from __future__ import annotations

import numpy as np
import torch

from csp.park import words
from csp.park.training import parts
from csp.park.training.decoder import Reasoner
from csp.park.training.packing import Packer
from csp.park.training.segmenter import Said
from csp.park.training.teaching import MIX, World, nothing

STREAM = 900_000  # of queries: those that the decoder is trained on come below
AT_ONCE = 4


@torch.no_grad()
def say(model: Reasoner, world: World, scenes: int, seed: int = 0) -> Said:
    """Ask about the first `scenes` scenes and keep every prompt that is nearer to what is meant than to anything else: a
    segmenter should draw what it is told, not guess what should have been said.
    """
    model.eval()
    packer = Packer(words.build())
    system, g = torch.tensor(packer.system), np.random.default_rng([seed, STREAM])
    none, shift = nothing(parts.sam())
    made = Said([], [])
    for first in range(0, min(scenes, len(world.pool)), AT_ONCE):
        rows = list(range(first, min(first + AT_ONCE, scenes, len(world.pool))))
        seen, batch = world.batch(rows, packer, MIX, STREAM + seed, g)
        codes = model(seen, system, batch)["code"].float()
        for b, row in enumerate(rows):
            count = len(world.pool.objects[row])
            options = torch.cat([batch.things[b, :count] + shift, none[None]])
            nearest = torch.cdist(codes[b], options).argmin(1)
            meant = torch.cat([batch.chosen[b, :, :count], batch.absent[b, :, None]], 1)
            right = batch.real[b] & meant.gather(1, nearest[:, None])[:, 0]
            made.prompts.append(codes[b][right].half())
            made.targets.append([np.flatnonzero(chosen.numpy()) for chosen in batch.chosen[b][right]])
    model.train()
    return made
