"""What a head is trained on, made once: SAM's embedding of each picture and the [SEG] state of each query under the plan.

That is exact, not a shortcut: everything before the head is frozen, so its outputs never change. One file a picture, so that
the making resumes and memory holds one batch.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from csp.evaluation.ahead import checked
from csp.evaluation.runs import lot
from csp.samples import Sample, Source


@dataclass(eq=False)
class Picture:
    """A picture's training rows: ``embedding`` [1, C, g, g], ``states`` [K, d] after the final norm, ``targets`` float
    [K, H, W], and the (h, w) of SAM's input that are picture.
    """

    embedding: Tensor
    states: Tensor
    targets: Tensor
    seen: tuple[int, int]


class Rows:
    """Rows of a source under a plan, in a folder. Raises ValueError for a folder with rows of something else."""

    def __init__(self, folder: Path, model: Any, source: Source, method: Any, base: str, seed: int = 0) -> None:
        self.folder, self.model, self.source, self.method, self.seed = folder, model, source, method, seed
        header = {
            "base": base, "method": method.name, "knobs": json.loads(json.dumps(asdict(method))), "seed": seed,
            "samples": source.describe(),
        }  # fmt: skip
        self.header = json.loads(json.dumps(header))
        folder.mkdir(parents=True, exist_ok=True)
        told = folder / "rows.json"
        if told.is_file() and json.loads(told.read_text(encoding="utf-8")) != self.header:
            raise ValueError(
                f"{folder} holds rows of another base, plan or data set: choose another --out folder, or delete it"
            )
        told.write_text(json.dumps(self.header, indent=1) + "\n", encoding="utf-8")
        self.bad: dict[str, str] = {}

    def make(self, tell: Callable[[int, int], None]) -> list[int]:
        """Make what is not there yet; returns the pictures that can be trained on, and names in ``bad`` those that cannot."""
        found = []
        for index in range(len(self.source)):
            tell(index, len(self.source))
            try:
                if self._file(index).is_file() or self._make(index):
                    found.append(index)
            except (ValueError, OSError) as error:
                self.bad[self.source.picture(index)] = " ".join(str(error).split())
        tell(len(self.source), len(self.source))
        if not found:
            raise ValueError(f"{self.source.name} has no target to train on")
        return found

    def _file(self, index: int) -> Path:
        key = f"{self.source.picture(index)} {self.source.fingerprint(index)}".encode()
        return self.folder / f"{hashlib.blake2b(key, digest_size=12).hexdigest()}.safetensors"

    @torch.no_grad()
    def _make(self, index: int) -> bool:
        from safetensors.torch import save_file

        samples = [sample for sample in checked(self.source, index) if sample.share]
        if not samples:
            return False
        results = self._ask(samples)
        embedding = self.model.encode(samples[0].image).embedding
        targets = np.packbits(np.stack([sample.target for sample in samples]), axis=-1)
        tensors = {
            "embedding": embedding.cpu().contiguous(),
            "states": torch.from_numpy(np.concatenate([result.seg_state[:1] for result in results])),
            "targets": torch.from_numpy(targets),
            "sizes": torch.tensor([*results[0].sam_input, *samples[0].target.shape]),
        }
        draft = self._file(index).with_suffix(".part")
        save_file(tensors, draft)
        draft.replace(self._file(index))
        return True

    def _ask(self, samples: Sequence[Sample]) -> list[Any]:
        """A result for each query: together where the method draws no lots, each with a lot of its own where it does."""
        forms = getattr(self.model.prompter, "templates", ())
        asked = [(s, s.template if s.template in forms else "auto") for s in samples]
        segment: Any = self.model.segment
        if getattr(self.method, "draws", False):
            return [segment(s.image, s.query, self.method, lot(self.seed, s), template=form) for s, form in asked]
        found: list[Any] = []
        for form, some in groupby(asked, lambda pair: pair[1]):
            chosen = [s for s, _ in some]
            found += segment(chosen[0].image, [s.query for s in chosen], self.method, template=form)
        return found

    def read(self, index: int, device: Any = "cpu", queries: Sequence[int] | None = None) -> Picture:
        from safetensors.torch import load_file

        tensors = load_file(self._file(index))
        h, w, H, W = tensors["sizes"].tolist()
        targets = np.unpackbits(tensors["targets"].numpy(), axis=-1, count=W).astype(np.float32)
        chosen = list(range(len(targets))) if queries is None else [k for k in queries if k < len(targets)]
        return Picture(
            tensors["embedding"].to(device),
            tensors["states"][chosen].to(device),
            torch.from_numpy(targets[chosen]).reshape(len(chosen), H, W).to(device),
            (h, w),
        )


def shuffled(picture: Picture, other: Picture) -> Picture:
    """A picture with another's states: a head that learns as well from these does not look at the prompt."""
    again = [k % len(other.states) for k in range(len(picture.states))]
    return Picture(picture.embedding, other.states[again], picture.targets, picture.seen)


def manifest(rows: Rows, indices: Sequence[int]) -> Mapping[str, Any]:
    """Which data a head saw."""
    digest = hashlib.sha256("\n".join(f"{rows.source.picture(i)} {rows.source.fingerprint(i)}" for i in indices).encode())
    return {**rows.header["samples"], "trained on": len(indices), "sha256 of pictures": digest.hexdigest()}
