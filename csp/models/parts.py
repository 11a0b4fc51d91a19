"""What a model is made of, as protocols: whoever answers one takes the place of what is shipped.

`Host` is the decoder, `MaskHead` turns a prompt into a mask, `Guide` finds instances for Seg-First, `Parts` is a whole model
without the asking (`csp.models.asking` asks). Nothing is inherited: an object that has these members will do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from csp.layers import CachingLayers
from csp.models.prompt import Answer, Prompt, Prompter, SegRow
from csp.tokens import VisionFeatures, Wording
from csp.trace import Box, Layout, Tile

Features = Tensor | tuple[Tensor, ...]
"""What a mask head keeps of a picture: an embedding, or one for each of its scales."""


class Host(CachingLayers, Protocol):
    """A decoder: its layers as the loop runs them, its token embeddings, its sizes.

    `llm` is the unmodified transformers model that does the work. `max_positions` bounds a sequence; keys and values have
    `num_kv_heads` heads, queries `num_heads`. The probe at loading holds every answer against the model's own forward.
    """

    @property
    def llm(self) -> Any: ...

    @property
    def hidden_size(self) -> int: ...

    @property
    def intermediate_size(self) -> int: ...

    @property
    def num_heads(self) -> int: ...

    @property
    def num_kv_heads(self) -> int: ...

    @property
    def max_positions(self) -> int: ...

    @property
    def device(self) -> torch.device: ...

    @property
    def dtype(self) -> torch.dtype: ...

    def embed(self, ids: Tensor) -> Tensor:
        """Token embeddings [..., d] of ids [...], scaled as the model's own forward scales them."""
        ...


class Tower(Protocol):
    """A vision tower: which parts of a picture it looks at, and what it makes of them.

    `grid` is that of one view; a picture makes at most `N` image tokens.
    """

    @property
    def grid(self) -> tuple[int, int]: ...

    @property
    def N(self) -> int: ...

    @property
    def image_size(self) -> int:
        """Pixels of a view's side."""
        ...

    def describe(self) -> str:
        """Its sizes in words."""
        ...

    def views(self, height: int, width: int) -> tuple[Tile, ...]:
        """What is looked at of a picture of this size, in the order of its tokens."""
        ...

    def pixels(self, image: np.ndarray) -> Tensor:
        """What the tower reads of uint8 RGB [H, W, 3], [T, 3, S, S], a row for each view."""
        ...

    def features(self, pixel_values: Tensor, project: Callable[[Tensor], Tensor]) -> VisionFeatures:
        """What the host and the methods read of them; ``project`` is passed on."""
        ...


class MaskHead(Protocol):
    """From a picture and prompts to masks.

    A picture is brought to (h, w) and padded at the right and below to a square of `image_size` pixels: logits show that
    square, whatever their own size. A head that stretches pictures says h = w = `image_size`.
    """

    @property
    def key(self) -> str:
        """What its features depend on beside the picture: they are kept under both."""
        ...

    @property
    def image_size(self) -> int: ...

    @property
    def module(self) -> Any:
        """All of it, as one module."""
        ...

    @property
    def encoder(self) -> Any:
        """What of it runs once a picture."""
        ...

    def describe(self) -> str:
        """Its sizes in words."""
        ...

    def encoding_bytes(self, size: int) -> int:
        """The largest thing made while encoding, with numbers of ``size`` bytes."""
        ...

    def encode(self, image: np.ndarray) -> tuple[Features, tuple[int, int]]:
        """Features of uint8 RGB [H, W, 3], and the (h, w) that are picture in the head's input."""
        ...

    def decode(self, features: Features, prompts: Tensor) -> tuple[Tensor, Tensor]:
        """Prompts [K, C], one a mask, to float32 logits [K, h, w] and the head's own scores [K]; K may be 0."""
        ...

    def from_boxes(self, features: Features, boxes: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """Masks bool [K, h, w] of the whole picture of ``size`` (H, W) for boxes float [K, 4], (x0, y0, x1, y1) in its pixels."""
        ...


@dataclass(frozen=True, eq=False)
class Instances:
    """What a guide found: `masks` bool [K, h, w], any size, the whole picture; `confidence` float32 [K], None where the guide
    does not say; `macs`, the multiply-accumulates it took to find them, None where nobody counted.
    """

    masks: np.ndarray
    confidence: np.ndarray | None = None
    macs: int | None = None


FromBoxes = Callable[[np.ndarray], np.ndarray]
"""Boxes float [K, 4] in picture pixels to masks bool [K, h, w], by the mask head's own box prompt on features that are there."""


@runtime_checkable
class Guide(Protocol):
    """Finds instances in pictures. Where one is asked for, a plain callable from picture to masks will do as well
    (`csp.models.instances.instances_of`).
    """

    def instances(self, image: np.ndarray, from_boxes: FromBoxes) -> Instances:
        """All instances in uint8 RGB [H, W, 3] down to a low confidence: the method decides which are sure enough. One that
        finds boxes alone has masks made of them by `from_boxes`.
        """
        ...


AnyGuide = Guide | Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True, eq=False)
class Seen:
    """A picture as the towers see it; nothing here depends on a query.

    `crop` is the part under the image tokens, `tiles` how it was looked at where not at once; `embedding` is the mask
    head's of the whole picture, of whose padded input `sam_input` (h, w) is picture; `masks` bool [K, h, w] are the
    instances, None without a guide, and `guide_macs` what finding them took.
    """

    vision: VisionFeatures
    crop: Box
    embedding: Features
    sam_input: tuple[int, int]
    masks: np.ndarray | None = None
    guide_macs: int | None = None
    tiles: tuple[Tile, ...] = ()
    picture_bytes: int = 0

    @property
    def nbytes(self) -> int:
        """Of everything that is kept, the picture itself included, which `vision.smaller` shows again."""
        embedding = (self.embedding,) if isinstance(self.embedding, Tensor) else self.embedding
        tensors = [*embedding, *(t for t in vars(self.vision).values() if isinstance(t, Tensor))]
        return sum(t.nbytes for t in tensors) + (0 if self.masks is None else self.masks.nbytes) + self.picture_bytes


class Parts(Protocol):
    """A model without the asking: pictures are encoded, sequences assembled, states decided upon.

    `seg_row` says which state becomes a mask ("before": the one that predicts [SEG]; "token": [SEG]'s own), `answer`
    whether a given answer stays in the sequence ("full") or ends at that row ("cut"). `lm_head` None: it cannot write.
    """

    name: str
    layers: Host
    mask_head: MaskHead
    prompter: Prompter
    instances: AnyGuide | None
    seg_row: SegRow
    answer: Answer
    lm_head: Any

    @property
    def llm(self) -> Any:
        """The unmodified transformers decoder."""
        return self.layers.llm

    @property
    def device(self) -> torch.device:
        """Where the decoder is."""
        return self.layers.device

    @property
    def dtype(self) -> torch.dtype:
        return self.layers.dtype

    @property
    def L(self) -> int:
        """Decoder layers."""
        return self.layers.num_layers

    @property
    def grid(self) -> tuple[int, int]:
        """(rows, cols) of the image tokens that a picture makes; of one tile, where there are several."""
        ...

    @property
    def N(self) -> int:
        """Image tokens of that grid."""
        rows, cols = self.grid
        return rows * cols

    def tokens(self, picture: np.ndarray) -> int:
        """Image tokens that a picture will make, known before it is encoded."""
        ...

    def encode(self, image: Any) -> Seen:
        """What the towers see of a picture; kept."""
        ...

    def embed(self, seen: Seen, prompt: Prompt, room: int = 0) -> tuple[Tensor, Layout]:
        """E_llm [T, d] (Eq. 1) with nothing reduced, and where everything stands. Raises ValueError where the model has too
        few positions for it and `room` more.
        """
        ...

    def wording(self, prompt: Prompt, query: str) -> Wording:
        """What a prompt asks in words, for methods that compare words with the picture outside the decoder."""
        return Wording(prompt.question, query)

    def masks(self, seen: Seen, seg_state: Tensor) -> tuple[Tensor, Tensor]:
        """Logits float32 [K, h, w] and the head's own scores [K] for final states [K, d]."""
        ...
