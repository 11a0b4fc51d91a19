"""CLIP's other half: the text tower and both projections, where words and patches can be compared.

Few methods need it, so that it is read from the whole CLIP's folder when first asked for, and then stays.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModelWithProjection

from csp.models.weights import LoadReport, fill, on_meta, read_json, tensors


class CommonSpace:
    """Text tower and projections of the CLIP in `folder`, on `device` in `dtype`; float32 comes out."""

    def __init__(self, folder: Path, device: torch.device, dtype: torch.dtype):
        self.folder, self.device, self.dtype = folder, device, dtype

    @staticmethod
    def is_in(folder: Path) -> bool:
        """Whether a CLIP folder has a text side: its sizes, and a tokenizer."""
        words = [(folder / file).is_file() for file in ("tokenizer.json", "vocab.json", "merges.txt")]
        return "text_config" in read_json(folder / "config.json") and (words[0] or all(words[1:]))

    @torch.no_grad()
    def patches(self, norm: nn.Module, states: Tensor) -> Tensor:
        """Patches [N, C] of the vision tower in the common space, float32 [N, P]: its last norm `norm`, then the projection."""
        return norm(states).float() @ self._parts[1].float().T

    @torch.no_grad()
    def embed(self, text: str, long: Literal["cut", "split"] = "cut") -> Tensor:
        """A text in the common space, float32 [m, P].

        Beyond what the tower reads (77 tokens) it is "cut" there, its end kept, or "split" into m pieces without ends of
        their own, padded with zeros. CLIP reads a piece at its largest id, so that every first piece says the same.
        """
        most = self._parts[0].config.max_position_embeddings
        if long == "cut":
            ids = self.tokenizer(text, truncation=True, max_length=most, return_tensors="pt").input_ids
            return self.read(ids, torch.ones_like(ids))
        ids = torch.tensor(self.tokenizer(text, verbose=False).input_ids)
        pad = -len(ids) % most
        mask = torch.cat([torch.ones_like(ids), ids.new_zeros(pad)])
        return self.read(torch.cat([ids, ids.new_zeros(pad)]).view(-1, most), mask.view(-1, most))

    @torch.no_grad()
    def read(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Texts as token ids int64 [m, n] in the common space, float32 [m, P]."""
        model = self._parts[0]
        return model(input_ids.to(self.device), attention_mask=attention_mask.to(self.device)).text_embeds.float()

    @cached_property
    def tokenizer(self) -> Any:
        """The folder's own tokenizer, which puts start and end around a text."""
        from transformers import CLIPTokenizer

        return CLIPTokenizer.from_pretrained(str(self.folder))

    @cached_property
    def _parts(self) -> tuple[Any, Tensor]:
        """The text tower and the weight [P, C] of the visual projection. Raises ValueError where the folder lacks them."""
        settings = read_json(self.folder / "config.json")
        text = dict(settings["text_config"])
        text.setdefault("projection_dim", settings.get("projection_dim", 512))
        model = on_meta(lambda: CLIPTextModelWithProjection(CLIPTextConfig(**text)))
        names = set(model.state_dict())
        state: dict[str, Tensor] = {}
        projection: Tensor | None = None
        for name, tensor in tensors(self.folder):
            if name == "visual_projection.weight":
                projection = tensor.to(self.device, self.dtype)
            elif name in names or name.startswith(("text_model.", "text_projection.")):
                state[name] = tensor.to(self.device, self.dtype)
        state.pop("text_model.embeddings.position_ids", None)
        if projection is None or not state:
            raise ValueError(f"{self.folder} has text_config but no text tower and projections: fetch the whole CLIP")
        fill(model, state, "clip text tower", LoadReport(str(self.folder)))
        embeddings = model.text_model.embeddings
        embeddings.position_ids = torch.arange(text["max_position_embeddings"], device=self.device).expand((1, -1))
        return model.eval(), projection
