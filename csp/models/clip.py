"""The vision tower: a transformers `CLIPVisionModel`, its preprocessing, and the [CLS] attention of Eq. 3.

LISA takes `hidden_states[-2]` without [CLS]: the input of the last layer, which is never run.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from csp.models.common_space import CommonSpace
from csp.tokens import VisionFeatures
from csp.trace import Box, Tile

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
# Beyond this ratio of sides most of the resized picture would be thrown away, and it could be huge: only its
# middle is made.
_SLIVER = 16


def preprocess(
    image: np.ndarray, size: int, mean: tuple[float, ...] = CLIP_MEAN, std: tuple[float, ...] = CLIP_STD
) -> tuple[np.ndarray, Box]:
    """CLIP's preprocessing: shortest edge to `size` (bicubic), centre crop, normalise.

    uint8 RGB [H, W, 3] to float32 [3, size, size] and the part of the picture that is seen, in picture
    pixels. Equals transformers' `CLIPImageProcessorPil` bit for bit (pictures longer than 16:1: within a
    grey level).
    """
    from PIL import Image

    H, W = image.shape[:2]
    short = min(H, W)
    h, w, top, left = _resized(H, W, size)
    crop = seen_box(H, W, size)
    picture = Image.fromarray(image)
    if max(H, W) > _SLIVER * short:
        seen = resized(image, crop, (size, size))
    else:
        seen = np.asarray(picture.resize((w, h), Image.Resampling.BICUBIC))[
            top : top + size, left : left + size
        ]
    return normalise(seen, mean, std), crop


def resized(image: np.ndarray, crop: Box, size: tuple[int, int]) -> np.ndarray:
    """`crop` of a picture at `size` (width, height): one bicubic step."""
    from PIL import Image

    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BICUBIC, box=crop))


def normalise(seen: np.ndarray, mean: tuple[float, ...], std: tuple[float, ...]) -> np.ndarray:
    """uint8 [h, w, 3] to float32 [3, h, w] about nought."""
    scaled = (seen.astype(np.float64) * (1 / 255)).astype(np.float32)
    pixels = (scaled - np.asarray(mean, np.float32)) / np.asarray(std, np.float32)
    return np.ascontiguousarray(pixels.transpose(2, 0, 1), np.float32)


def seen_box(H: int, W: int, size: int) -> Box:
    """The part of a picture [H, W] that is left by resizing its shortest edge to `size` and cutting out the middle."""
    h, w, top, left = _resized(H, W, size)
    return Box(left * W / w, top * H / h, (left + size) * W / w, (top + size) * H / h)


def _resized(H: int, W: int, size: int) -> tuple[int, int, int, int]:
    """Height and width once the shortest edge is `size`, and where the crop begins."""
    short = min(H, W)
    h, w = (size if H == short else int(size * H / W)), (size if W == short else int(size * W / H))
    return h, w, (h - size) // 2, (w - size) // 2


class ClipTower:
    """A `CLIPVisionModel` with what LISA reads from it. `select_layer` counts as config.json does (-2: all
    but the last); `words` is the other half of the CLIP, where its folder holds it.
    """

    def __init__(
        self,
        model: nn.Module,
        mean: tuple[float, ...] = CLIP_MEAN,
        std: tuple[float, ...] = CLIP_STD,
        select_layer: int = -2,
        words: CommonSpace | None = None,
    ):
        self.model: Any = model.eval()
        self.words = words
        self.mean, self.std = mean, std
        encoder: Any = self.model.encoder
        self._layers = encoder.layers
        layers = len(self._layers)
        # The layers before and after the chosen states are read too: neither end of hidden_states will do.
        if not isinstance(select_layer, int) or not -layers <= select_layer <= -2:
            raise ValueError(
                f"mm_vision_select_layer must be in {-layers}..-2 (the tower has {layers} layers), "
                f"got {select_layer!r}"
            )
        self._state = layers + 1 + select_layer

    @property
    def image_size(self) -> int:
        return self.model.config.image_size

    @property
    def grid(self) -> tuple[int, int]:
        """(rows, cols) of image tokens; N is their product."""
        side = self.image_size // self.model.config.patch_size
        return side, side

    @property
    def N(self) -> int:
        """Image tokens of any picture."""
        return self.grid[0] * self.grid[1]

    def describe(self) -> str:
        """Its sizes in words."""
        config, (rows, cols) = self.model.config, self.grid
        return (
            f"{config.num_hidden_layers} layers of width {config.hidden_size}, {self.image_size} pixels in patches of "
            f"{config.patch_size}: {rows} x {cols} = {self.N} image tokens"
        )

    def views(self, height: int, width: int) -> tuple[Tile, ...]:
        """What is seen of a picture of this size: its middle, all at once."""
        return (Tile(seen_box(height, width, self.image_size), self.grid),)

    @property
    def dtype(self) -> torch.dtype:
        return self.model.embeddings.class_embedding.dtype

    @property
    def device(self) -> torch.device:
        return self.model.embeddings.class_embedding.device

    def pixels(self, image: np.ndarray) -> Tensor:
        """pixel_values [1, 3, S, S] of a uint8 RGB picture: of the one view there is."""
        pixels, _ = preprocess(image, self.image_size, self.mean, self.std)
        return torch.from_numpy(pixels)[None].to(self.device, self.dtype)

    @torch.no_grad()
    def features(
        self, pixel_values: Tensor, project: Callable[[Tensor], Tensor], coverage: Tensor | None = None
    ) -> VisionFeatures:
        """What LISA and the methods read of pixel_values [1, 3, S, S]; `project` and `coverage` are passed
        on.
        """
        model = self.model
        states = [model.pre_layrnorm(model.embeddings(pixel_values))]
        for layer in self._layers[: self._state]:
            states.append(layer(states[-1], attention_mask=None))
        q_last, k_last, v_last = self._qkv(states[-1], self._state)
        q_prev, k_prev, _ = self._qkv(states[-2], self._state - 1)
        return VisionFeatures(
            states[-1][0],
            q_last,
            k_last,
            q_prev,
            k_prev,
            model.config.num_attention_heads,
            project,
            coverage,
            v_last=v_last,
            common=None if self.words is None else partial(self.words.patches, model.post_layernorm, states[-1][0, 1:]),
        )

    @torch.no_grad()
    def smaller(self, image: np.ndarray, crop: Box, rows: int, cols: int) -> Tensor:
        """Features [rows * cols, C] of the picture at fewer pixels: resized once to rows x cols patches, nothing else
        changed; the tower's table of places is interpolated, its [CLS] row kept.

        A square grid shows what the preprocessing makes of that size, another one the native `crop`. ValueError for a grid
        beyond the tower's own.
        """
        (most, _), patch = self.grid, self.model.config.patch_size
        if not (1 <= rows <= most and 1 <= cols <= most):
            raise ValueError(f"a smaller picture has 1..{most} patches a side, as many as the tower, got {rows} x {cols}")
        if rows == cols:
            pixels, _ = preprocess(image, rows * patch, self.mean, self.std)
        else:
            pixels = normalise(resized(image, crop, (cols * patch, rows * patch)), self.mean, self.std)
        values = torch.from_numpy(pixels)[None].to(self.device, self.dtype)
        hidden = self.model.pre_layrnorm(self.model.embeddings(values, interpolate_pos_encoding=True))
        for layer in self._layers[: self._state]:
            hidden = layer(hidden, attention_mask=None)
        return hidden[0, 1:]

    def _qkv(self, hidden: Tensor, layer: int) -> tuple[Tensor, Tensor, Tensor]:
        """The query of [CLS] [C], all keys and all values [1+N, C] that a layer makes of its input."""
        block = self._layers[layer]
        x = block.layer_norm1(hidden[0])
        return block.self_attn.q_proj(x[0]), block.self_attn.k_proj(x), block.self_attn.v_proj(x)
