"""SAM 2 and 2.1 as a mask head, on transformers' own unchanged `Sam2Model`: features of three scales from a picture that is
stretched to a square.

The model has no argument for a prompt that is a vector, so that its parts are called one by one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from csp.models.tiling import stretched
from csp.models.weights import on_meta

PIXEL_MEAN = (0.485, 0.456, 0.406)
PIXEL_STD = (0.229, 0.224, 0.225)
STRIDES = (4, 8, 16)
"""Pixels of the input to a cell of each scale."""

Pyramid = tuple[Tensor, ...]
"""Features [1, C / 8, S / 4, S / 4], [1, C / 4, S / 8, S / 8] and [1, C, S / 16, S / 16], finest first."""


@dataclass(frozen=True)
class Sam2Sizes:
    """Sizes of a SAM 2; the defaults are Hiera-L at 1024 pixels.

    `image_size` is in pixels after stretching; width and heads double from stage to stage. `hidden_dim` is the width of
    prompts. SAM 2 and 2.1 differ in training and in their memory, which a single picture does not use.
    """

    image_size: int = 1024
    hidden_dim: int = 256
    mlp_dim: int = 2048
    iou_head_hidden_dim: int = 256
    decoder_num_heads: int = 8
    decoder_depth: int = 2
    embed_dim: int = 144
    num_heads: int = 2
    stages: tuple[int, ...] = (2, 6, 36, 4)
    global_att_blocks: tuple[int, ...] = (23, 33, 43)
    window_pos_embed_bkg_spatial_size: tuple[int, ...] = (7, 7)
    window_spec: tuple[int, ...] = (8, 4, 16, 8)


_SMALL = Sam2Sizes(embed_dim=96, num_heads=1, window_spec=(8, 4, 14, 7))
VARIANTS: Mapping[str, Sam2Sizes] = {
    "hiera_l": Sam2Sizes(),
    "hiera_b+": Sam2Sizes(
        embed_dim=112, stages=(2, 3, 16, 3), global_att_blocks=(12, 16, 20), window_spec=(8, 4, 14, 7),
        window_pos_embed_bkg_spatial_size=(14, 14),
    ),
    "hiera_s": replace(_SMALL, stages=(1, 2, 11, 2), global_att_blocks=(7, 10, 13)),
    "hiera_t": replace(_SMALL, stages=(1, 2, 7, 2), global_att_blocks=(5, 7, 9)),
}


def sam2_sizes(source: str | Path | Mapping[str, Any] | Sam2Sizes) -> Sam2Sizes:
    """Read sizes from a variant's name ("hiera_l"), a JSON file or a mapping, the trunk's in it by themselves or under
    "hiera"; what belongs to the memory is passed over. Raises ValueError for an unknown name or key.
    """
    if isinstance(source, Sam2Sizes):
        return source
    if not isinstance(source, Mapping):
        if str(source) in VARIANTS:
            return VARIANTS[str(source)]
        if not Path(source).is_file():
            raise ValueError(f"sam must be one of {', '.join(VARIANTS)} or a JSON file of sizes, got {str(source)!r}")
        source = dict(json.loads(Path(source).read_text()))
    flat = {**{k: v for k, v in source.items() if k != "hiera"}, **source.get("hiera", {})}
    known = Sam2Sizes.__dataclass_fields__
    unknown = sorted(name for name in flat if name not in known and not name.startswith("mem"))
    if unknown:
        raise ValueError(f"unknown key(s) {', '.join(unknown)} among the sizes of SAM 2; known are {', '.join(known)}")
    fields: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in flat.items() if k in known}
    sizes = Sam2Sizes(**fields)
    if sizes.image_size % STRIDES[-1]:
        raise ValueError(f"SAM 2's image_size must be a multiple of {STRIDES[-1]}, got {sizes.image_size}")
    return sizes


def build_sam2(sizes: Sam2Sizes) -> Any:
    """A transformers `Sam2Model` of these sizes without weights, on the device "meta"."""
    from transformers import (
        Sam2Config,
        Sam2HieraDetConfig,
        Sam2MaskDecoderConfig,
        Sam2Model,
        Sam2PromptEncoderConfig,
        Sam2VisionConfig,
    )

    widths = [sizes.embed_dim * 2**i for i in range(len(sizes.stages))]
    side = sizes.image_size
    trunk = Sam2HieraDetConfig(
        hidden_size=sizes.embed_dim,
        num_attention_heads=sizes.num_heads,
        image_size=[side, side],
        blocks_per_stage=list(sizes.stages),
        embed_dim_per_stage=widths,
        num_attention_heads_per_stage=[sizes.num_heads * 2**i for i in range(len(sizes.stages))],
        window_size_per_stage=list(sizes.window_spec),
        global_attention_blocks=list(sizes.global_att_blocks),
        window_positional_embedding_background_size=list(sizes.window_pos_embed_bkg_spatial_size),
    )
    vision = Sam2VisionConfig(
        backbone_config=trunk,
        backbone_channel_list=widths[::-1],
        backbone_feature_sizes=[[side // stride, side // stride] for stride in STRIDES],
        fpn_hidden_size=sizes.hidden_dim,
    )
    prompts = Sam2PromptEncoderConfig(hidden_size=sizes.hidden_dim, image_size=side, patch_size=STRIDES[-1])
    decoder = Sam2MaskDecoderConfig(
        hidden_size=sizes.hidden_dim,
        mlp_dim=sizes.mlp_dim,
        num_hidden_layers=sizes.decoder_depth,
        num_attention_heads=sizes.decoder_num_heads,
        iou_head_hidden_dim=sizes.iou_head_hidden_dim,
        dynamic_multimask_via_stability=False,
    )
    config = Sam2Config(vision_config=vision, prompt_encoder_config=prompts, mask_decoder_config=decoder)
    return on_meta(lambda: Sam2Model._from_config(config, attn_implementation="sdpa"))


# SAM 2's own names, and transformers'. Inner MLPs of three layers: first, middle, last.
_NAMES: tuple[tuple[str, str], ...] = (
    (r"^no_mem_embed$", "no_memory_embedding"),
    (r"^image_encoder\.trunk\.patch_embed\.proj\.", "vision_encoder.backbone.patch_embed.projection."),
    (r"^image_encoder\.trunk\.", "vision_encoder.backbone."),
    (r"^image_encoder\.neck\.convs\.(\d+)\.conv\.", r"vision_encoder.neck.convs.\1."),
    (r"^sam_prompt_encoder\.mask_downscaling\.0\.", "prompt_encoder.mask_embed.conv1."),
    (r"^sam_prompt_encoder\.mask_downscaling\.1\.", "prompt_encoder.mask_embed.layer_norm1."),
    (r"^sam_prompt_encoder\.mask_downscaling\.3\.", "prompt_encoder.mask_embed.conv2."),
    (r"^sam_prompt_encoder\.mask_downscaling\.4\.", "prompt_encoder.mask_embed.layer_norm2."),
    (r"^sam_prompt_encoder\.mask_downscaling\.6\.", "prompt_encoder.mask_embed.conv3."),
    (r"^sam_prompt_encoder\.", "prompt_encoder."),
    (r"^sam_mask_decoder\.", "mask_decoder."),
    (r"\.output_upscaling\.0\.", ".upscale_conv1."),
    (r"\.output_upscaling\.1\.", ".upscale_layer_norm."),
    (r"\.output_upscaling\.3\.", ".upscale_conv2."),
    (r"(hypernetworks_mlps\.\d+|iou_prediction_head|pred_obj_score_head)\.layers\.0\.", r"\1.proj_in."),
    (r"(hypernetworks_mlps\.\d+|iou_prediction_head|pred_obj_score_head)\.layers\.1\.", r"\1.layers.0."),
    (r"(hypernetworks_mlps\.\d+|iou_prediction_head|pred_obj_score_head)\.layers\.2\.", r"\1.proj_out."),
    (r"\.mlp\.layers\.0\.", ".mlp.proj_in."),
    (r"\.mlp\.layers\.1\.", ".mlp.proj_out."),
    (r"\.norm(\d)\.", r".layer_norm\1."),
    (r"\.norm_final_attn\.", ".layer_norm_final_attn."),
    (r"^(mask_decoder\..*)\.out_proj\.", r"\1.o_proj."),
)
MEMORY = re.compile(r"^(memory_|mask_downsample\.|obj_ptr_|maskmem_|no_mem_pos_enc$|no_obj_|occlusion_|object_pointer_)")
"""Names of what remembers frames of a video, in either spelling: a single picture has no use for it."""
_POINTS, _GAUSS = "prompt_encoder.point_embeddings.", "prompt_encoder.pe_layer.positional_encoding_gaussian_matrix"
_PLACES = ("shared_image_embedding.positional_embedding", "prompt_encoder.shared_embedding.positional_embedding")


def sam2_state(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors of SAM 2 by transformers' names: from its own, or as they are; the memory's are left out."""
    out: dict[str, Tensor] = {}
    points: dict[int, Tensor] = {}
    for name, tensor in state.items():
        if MEMORY.match(name):
            continue
        for pattern, there in _NAMES:
            name = re.sub(pattern, there, name)
        if name.startswith(_POINTS):
            points[int(name.split(".")[2])] = tensor
        elif name == _GAUSS:
            out |= dict.fromkeys(_PLACES, tensor)
        else:
            out[name] = tensor
    if points:
        out["prompt_encoder.point_embed.weight"] = torch.cat([points[i] for i in sorted(points)])
    if _PLACES[0] in out:
        out.setdefault(_PLACES[1], out[_PLACES[0]])
    return out


class Sam2Head:
    """`csp.models.parts.MaskHead` by SAM 2.

    A prompt stands after `empty` points that are none. With `best` three masks are predicted and the one that SAM 2 scores
    highest is taken, else it is the first mask token's, and never another for want of stability. The position code is
    computed in the float32 of its own matrix and cast. `mean` and `std` are of RGB in 0..1.
    """

    def __init__(
        self,
        model: Any,
        best: bool = False,
        empty: int = 0,
        mean: tuple[float, ...] = PIXEL_MEAN,
        std: tuple[float, ...] = PIXEL_STD,
        offload: bool = False,
    ):
        self.model: Any = model
        self.best, self.empty, self.mean, self.std, self.offload = best, empty, mean, std, offload

    @property
    def key(self) -> str:
        """Nothing but its weights, which it keeps."""
        return "sam2"

    @property
    def image_size(self) -> int:
        return self.model.prompt_encoder.input_image_size

    @property
    def module(self) -> Any:
        """All of it, as one module."""
        return self.model

    def describe(self) -> str:
        """Its sizes in words."""
        trunk = self.model.config.vision_config.backbone_config
        widths = trunk.embed_dim_per_stage
        which = "the best of three masks" if self.best else "one mask"
        blocks = "-".join(map(str, trunk.blocks_per_stage))
        return f"SAM 2, {blocks} blocks of width {widths[0]} to {widths[-1]}, {self.image_size} pixels, {which}"

    def encoding_bytes(self, size: int) -> int:
        """The largest thing made while encoding, with numbers of `size` bytes: the first stage's states, keys, values and
        the MLP's inner states, four times as wide, for every cell of the finest scale. Attention is never whole in memory.
        """
        width = self.model.config.vision_config.backbone_config.hidden_size
        return (self.image_size // STRIDES[0]) ** 2 * width * 9 * size

    @property
    def encoder(self) -> Any:
        """What runs once a picture."""
        return self.model.vision_encoder

    @property
    def dtype(self) -> torch.dtype:
        return self.model.mask_decoder.iou_token.weight.dtype

    @property
    def device(self) -> torch.device:
        return self.model.mask_decoder.iou_token.weight.device

    def preprocess(self, image: np.ndarray) -> Tensor:
        """uint8 RGB [H, W, 3], stretched to a square (bicubic) and normalised: float32 [1, 3, S, S]."""
        square = stretched(image, self.image_size, self.image_size)
        pixels = torch.from_numpy(square.copy()).permute(2, 0, 1)[None].to(self.device, torch.float32) / 255
        mean, std = (torch.tensor(values, device=self.device).view(1, 3, 1, 1) for values in (self.mean, self.std))
        return (pixels - mean) / std

    @torch.no_grad()
    def encode(self, image: np.ndarray) -> tuple[Pyramid, tuple[int, int]]:
        """Features of a uint8 RGB picture; all of the head's input is picture."""
        pixels = self.preprocess(image).to(self.dtype)
        if not self.offload:
            return tuple(self.model.get_image_embeddings(pixels)), (self.image_size, self.image_size)
        # The encoder rests on the CPU and comes for this call only.
        here = {name: weight.to(self.device) for name, weight in self.encoder.named_parameters()}
        maps = list(torch.func.functional_call(self.encoder, here, (pixels,)).fpn_hidden_states)
        decoder = self.model.mask_decoder
        maps[0], maps[1] = decoder.conv_s0(maps[0]), decoder.conv_s1(maps[1])
        maps[-1] = maps[-1] + self.model.no_memory_embedding.reshape(1, -1, 1, 1)
        return tuple(maps), (self.image_size, self.image_size)

    @torch.no_grad()
    def decode(self, features: Pyramid, prompts: Tensor) -> tuple[Tensor, Tensor]:
        """Prompts [K, C] to float32 logits [K, S / 4, S / 4] and the scores [K] of these masks."""
        points = self.model.prompt_encoder.not_a_point_embed.weight.expand(len(prompts), self.empty, -1)
        sparse = torch.cat([points, prompts[:, None].to(points)], dim=1)
        return self._decide(features, sparse)

    @torch.no_grad()
    def from_boxes(self, features: Pyramid, boxes: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """SAM 2's own box prompt: boxes float [K, 4] in picture pixels to masks bool [K, S, S] of the whole picture."""
        side = self.image_size
        scale = np.array([side / size[1], side / size[0]] * 2, np.float32)
        masks = np.zeros((len(boxes), side, side), bool)
        for k, box in enumerate(np.asarray(boxes, np.float32).reshape(-1, 4) * scale):
            prompt = self.model.prompt_encoder._embed_boxes(torch.from_numpy(box)[None, None].to(self.device))[0]
            logits, _ = self._decide(features, prompt.to(self.dtype))
            masks[k] = (interpolate(logits[None], (side, side), mode="bilinear")[0, 0] > 0).cpu().numpy()
        return masks

    def _decide(self, features: Pyramid, sparse: Tensor) -> tuple[Tensor, Tensor]:
        """Logits and scores of sparse prompts [K, P, C]."""
        coarse = features[-1]
        side = 4 * coarse.shape[-1]
        if not len(sparse):
            return coarse.new_zeros((0, side, side), dtype=torch.float32), coarse.new_zeros(0, dtype=torch.float32)
        dense = self.model.prompt_encoder.no_mask_embed.weight.reshape(1, -1, 1, 1).expand_as(coarse)
        masks, scores, *_ = self.model.mask_decoder(
            image_embeddings=coarse,
            image_positional_embeddings=self.model.get_image_wide_positional_embeddings().to(coarse.dtype),
            sparse_prompt_embeddings=sparse[None].to(coarse.dtype),
            dense_prompt_embeddings=dense,
            multimask_output=self.best,
            high_resolution_features=list(features[:-1]),
        )
        best = scores[0].argmax(dim=-1)
        at = torch.arange(len(best), device=best.device)
        return masks[0, at, best].float(), scores[0, at, best].float()
