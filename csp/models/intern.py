"""InternViT as InternVL and Sa2VA use it: transformers' `InternVLVisionModel` over tiles, and what the methods read of it.

A token is two by two patches side by side in one vector (`csp.models.tiling.shuffled`); its attention from [CLS] is theirs
together, its key and value their mean.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from csp.models.tiling import MOST_TILES, cut, normalised, shuffled, stretched, tile_crops, tile_grid
from csp.models.weights import on_meta
from csp.tokens import VisionFeatures
from csp.trace import Box, Tile

AT_ONCE = 4
"""Tiles that go through the tower together: more save little and take memory."""

# What InternVL's own config class says of a field that config.json leaves out.
_DEFAULTS = {
    "hidden_size": 3200,
    "intermediate_size": 12800,
    "num_hidden_layers": 48,
    "num_attention_heads": 25,
    "image_size": 224,
    "patch_size": 14,
    "num_channels": 3,
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-6,
    "norm_type": "rms_norm",
    "qkv_bias": False,
    "qk_normalization": True,
}
_SPELLED = {"qkv_bias": "attention_bias", "qk_normalization": "use_qk_norm"}


def intern_config(config: Mapping[str, Any]) -> Any:
    """transformers' config of the tower from InternVL's `vision_config`."""
    from transformers import InternVLVisionConfig

    settings = {_SPELLED.get(name, name): config.get(name, default) for name, default in _DEFAULTS.items()}
    # Mean pooling is what leaves the last states without another norm.
    return InternVLVisionConfig(**settings, use_mean_pooling=True)


def build_intern(config: Any) -> Any:
    """The tower without weights, on the device "meta"."""
    from transformers import InternVLVisionModel

    return on_meta(lambda: InternVLVisionModel._from_config(config, attn_implementation="sdpa"))


def intern_state(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tower's tensors by transformers' names: queries, keys and values lie one after the other in `qkv`."""
    out: dict[str, Tensor] = {}
    for name, tensor in state.items():
        for ours, theirs in _NAMES:
            name = name.replace(ours, theirs)
        if ".attn.qkv." in name:
            for which, part in zip("qkv", tensor.chunk(3), strict=True):
                out[name.replace(".attn.qkv.", f".attention.{which}_proj.")] = part
        else:
            out[name] = tensor
    return out


_NAMES = (
    ("embeddings.class_embedding", "embeddings.cls_token"),
    ("embeddings.position_embedding", "embeddings.position_embeddings"),
    ("embeddings.patch_embedding.", "embeddings.patch_embeddings.projection."),
    ("encoder.layers.", "encoder.layer."),
    (".attn.proj.", ".attention.projection_layer."),
    (".attn.q_norm.", ".attention.q_norm."),
    (".attn.k_norm.", ".attention.k_norm."),
    (".norm1.", ".layernorm_before."),
    (".norm2.", ".layernorm_after."),
    (".ls1", ".lambda_1"),
    (".ls2", ".lambda_2"),
)


@dataclass(frozen=True, eq=False)
class TiledFeatures(VisionFeatures):
    """`csp.tokens.VisionFeatures` of a picture in tiles, each of which has a [CLS] of its own.

    `maps` holds each [CLS]'s attention to the tokens of its tile, by layer, by head or as one, and range of the softmax:
    [N] or [H, N], all tiles together summing to what one does. Row 0 of `states` and keys is the last tile's [CLS], which
    sees the whole picture; in `states` it stands once for each patch of a token.
    """

    maps: Mapping[tuple[str, bool, str], Tensor] = field(default_factory=dict)

    def cls_attention(self, layer: Literal["last", "prev"] = "last", heads: bool = False, over: str = "patches") -> Tensor:
        return self.maps[layer, heads, over]


class InternTower:
    """The tower over tiles. `select_layer` counts as config.json does (-1: what the last layer leaves); `factor` patches a
    side make a token; a picture is cut into at most `max_tiles`.
    """

    def __init__(self, model: Any, select_layer: int = -1, factor: int = 2, max_tiles: int = MOST_TILES):
        self.model: Any = model.eval()
        self.factor, self.max_tiles = factor, max_tiles
        layers = len(model.encoder.layer)
        # The two layers before the chosen states are read for [CLS].
        if not -layers + 1 <= select_layer <= -1:
            raise ValueError(f"select_layer must be in {-layers + 1}..-1 (the tower has {layers} layers), got {select_layer}")
        self._layers = model.encoder.layer[: layers + 1 + select_layer]
        if self.patches % factor:
            raise ValueError(f"a tile of {self.patches} x {self.patches} patches cannot be gathered {factor} by {factor}")

    @property
    def image_size(self) -> int:
        """Pixels of a tile's side."""
        return self.model.config.image_size[0]

    @property
    def patches(self) -> int:
        """Patches of a tile's side."""
        return self.image_size // self.model.config.patch_size[0]

    @property
    def grid(self) -> tuple[int, int]:
        """(rows, cols) of the tokens of one tile."""
        side = self.patches // self.factor
        return side, side

    @property
    def dtype(self) -> torch.dtype:
        return self.model.embeddings.cls_token.dtype

    @property
    def device(self) -> torch.device:
        return self.model.embeddings.cls_token.device

    @property
    def N(self) -> int:
        """Image tokens of a picture in as many tiles as there may be."""
        rows, cols = self.grid
        return rows * cols * (1 if self.max_tiles == 1 else self.max_tiles + 1)

    def describe(self) -> str:
        """Its sizes in words."""
        config, (rows, cols) = self.model.config, self.grid
        most = "one tile" if self.max_tiles == 1 else f"at most {self.max_tiles} tiles and a thumbnail"
        return (
            f"{config.num_hidden_layers} layers of width {config.hidden_size}, tiles of {self.image_size} pixels in patches of "
            f"{config.patch_size[0]}, {self.factor} x {self.factor} of them a token: {rows} x {cols} = {rows * cols} image "
            f"tokens a tile, {most}: {self.N}"
        )

    def views(self, height: int, width: int) -> tuple[Tile, ...]:
        """The tiles of a picture of this size, its thumbnail last."""
        crops = tile_crops(height, width, tile_grid(height, width, self.image_size, self.max_tiles))
        return tuple(Tile(crop, self.grid, i == len(crops) - 1 > 0) for i, crop in enumerate(crops))

    def pixels(self, image: np.ndarray) -> Tensor:
        """pixel_values [T, 3, S, S] of a uint8 RGB picture, its thumbnail last."""
        height, width = image.shape[:2]
        tiles = cut(image, self.image_size, tile_grid(height, width, self.image_size, self.max_tiles))
        return torch.from_numpy(normalised(tiles)).to(self.device, self.dtype)

    @torch.no_grad()
    def states(self, pixel_values: Tensor) -> list[Tensor]:
        """What enters the last two layers and what leaves the last, [T, 1 + P, C] each, [CLS] first."""
        hidden = self.model.embeddings(pixel_values)
        kept: list[Tensor] = []
        for layer in self._layers:
            kept = [*kept[-1:], hidden]
            hidden = layer(hidden)
        return [*kept, hidden]

    @torch.no_grad()
    def features(self, pixel_values: Tensor, project: Callable[[Tensor], Tensor]) -> TiledFeatures:
        """What the host and the methods read of pixel_values [T, 3, S, S]; `project` is passed on."""
        runs = [self._tiles(part) for part in pixel_values.split(AT_ONCE)]
        joined = (torch.cat(parts) for parts in zip(*(run[0] for run in runs), strict=True))
        tokens, cls_last, q_last, k_last, v_last, q_prev, k_prev = joined
        names = runs[0][1]
        maps = {name: torch.cat([run[1][name] for run in runs], dim=-1) / len(tokens) for name in names}
        return TiledFeatures(
            states=torch.cat([cls_last[-1:].repeat(1, self.factor**2), tokens.flatten(0, 1)]),
            q_last=q_last[-1],
            k_last=torch.cat([k_last[-1, :1], k_last[:, 1:].flatten(0, 1)]),
            q_prev=q_prev[-1],
            k_prev=torch.cat([k_prev[-1, :1], k_prev[:, 1:].flatten(0, 1)]),
            num_heads=self.model.config.num_attention_heads,
            project=project,
            v_last=torch.cat([v_last[-1, :1], v_last[:, 1:].flatten(0, 1)]),
            maps=maps,
        )

    @torch.no_grad()
    def smaller(self, image: np.ndarray, crop: Box, rows: int, cols: int) -> Tensor:
        """Features [rows * cols, C] of the picture at fewer pixels: in one tile of as many tokens, nothing else changed; the
        tower's table of places is interpolated. ValueError for a grid beyond a tile's own, or a picture in several tiles.
        """
        (most, _), patch = self.grid, self.model.config.patch_size[0] * self.factor
        if len(self.views(*image.shape[:2])) > 1:
            raise ValueError("a picture in several tiles has no smaller one: load the model with max_tiles=1")
        if not (1 <= rows <= most and 1 <= cols <= most):
            raise ValueError(f"a smaller picture has 1..{most} tokens a side, as many as a tile, got {rows} x {cols}")
        pixels = torch.from_numpy(normalised(stretched(image, rows * patch, cols * patch)[None])).to(self.device, self.dtype)
        last = self.states(pixels)[-1]
        return shuffled(last[:, 1:], rows * self.factor, cols * self.factor, self.factor)[0]

    def _tiles(self, pixels: Tensor) -> tuple[tuple[Tensor, ...], dict[tuple[str, bool, str], Tensor]]:
        before_prev, before_last, last = self.states(pixels)
        q_last, k_last, v_last = self._qkv(before_last, len(self._layers) - 1)
        q_prev, k_prev, _ = self._qkv(before_prev, len(self._layers) - 2)
        maps = {}
        for layer, q, k in (("last", q_last, k_last), ("prev", q_prev, k_prev)):
            for heads in (False, True):
                for over in ("patches", "all"):
                    maps[layer, heads, over] = self._cls(q, k, heads, over)
        tokens = shuffled(last[:, 1:], self.patches, self.patches, self.factor)
        pooled = [self._pooled(part) for part in (k_last, v_last, k_prev)]
        return (tokens, last[:, 0], q_last, *pooled[:2], q_prev, pooled[2]), maps

    def _qkv(self, hidden: Tensor, layer: int) -> tuple[Tensor, Tensor, Tensor]:
        """Queries of [CLS] [T, C], all keys and all values [T, 1 + P, C] that a layer makes of its input."""
        block = self._layers[layer]
        x, attn = block.layernorm_before(hidden), block.attention
        return attn.q_norm(attn.q_proj(x[:, 0])), attn.k_norm(attn.k_proj(x)), attn.v_proj(x)

    def _cls(self, q: Tensor, k: Tensor, heads: bool, over: str) -> Tensor:
        """Attention of each tile's [CLS] to its tokens, float32 [t * n] or [H, t * n]."""
        H = self.model.config.num_attention_heads if heads else 1
        q, k = q.float().unflatten(-1, (H, -1)), k.float().unflatten(-1, (H, -1))
        logits = torch.einsum("thc,tnhc->thn", q, k) * q.shape[-1] ** -0.5
        row = logits[..., 1:].softmax(dim=-1) if over == "patches" else logits.softmax(dim=-1)[..., 1:]
        tokens = shuffled(row.transpose(1, 2), self.patches, self.patches, self.factor)
        summed = tokens.unflatten(-1, (self.factor**2, H)).sum(dim=2).flatten(0, 1).T
        return summed if heads else summed[0]

    def _pooled(self, keys: Tensor) -> Tensor:
        """Keys or values [t, 1 + P, C] with those of a token's patches as their mean, [t, 1 + n, C]."""
        gathered = shuffled(keys[:, 1:], self.patches, self.patches, self.factor)
        return torch.cat([keys[:, :1], gathered.unflatten(-1, (self.factor**2, -1)).mean(dim=2)], dim=1)
