"""Sizes of the embedded model and its freshly initialised parts: the tower, SAM, the projector, the decoder."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from segment_anything.modeling import ImageEncoderViT, MaskDecoder, PromptEncoder, Sam, TwoWayTransformer
from torch import nn
from transformers import CLIPVisionConfig, CLIPVisionModel

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
SAM_MEAN = (123.675, 116.28, 103.53)
SAM_STD = (58.395, 57.12, 57.375)

CLIP: dict[str, Any] = dict(
    image_size=224, patch_size=14, hidden_size=128, intermediate_size=384, num_hidden_layers=7, num_attention_heads=4,
    hidden_act="quick_gelu", projection_dim=128,
)  # fmt: skip
SAM: dict[str, Any] = {
    "image_size": 224,
    "patch_size": 8,
    "encoder": dict(
        embed_dim=96, depth=4, num_heads=4, window_size=7, global_attn_indexes=[2], mlp_ratio=3, use_rel_pos=False, out_chans=128
    ),
    "prompt_embed_dim": 128,
    "mask_in_chans": 16,
    "decoder": dict(
        transformer_depth=2, mlp_dim=256, num_heads=4, num_multimask_outputs=3, iou_head_depth=3, iou_head_hidden_dim=128
    ),
    "pixel_mean": list(SAM_MEAN),
    "pixel_std": list(SAM_STD),
}


def tower() -> CLIPVisionModel:
    return CLIPVisionModel(CLIPVisionConfig(**CLIP))


def sam() -> Sam:
    """segment_anything's own classes at small sizes; frequencies of its position code at two scales."""
    e, d, width = SAM["encoder"], SAM["decoder"], SAM["prompt_embed_dim"]
    side = SAM["image_size"] // SAM["patch_size"]
    encoder = ImageEncoderViT(
        img_size=SAM["image_size"], patch_size=SAM["patch_size"], embed_dim=e["embed_dim"], depth=e["depth"],
        num_heads=e["num_heads"], mlp_ratio=e["mlp_ratio"], out_chans=e["out_chans"], qkv_bias=True,
        norm_layer=partial(nn.LayerNorm, eps=1e-6), use_rel_pos=e["use_rel_pos"], window_size=e["window_size"],
        global_attn_indexes=tuple(e["global_attn_indexes"]),
    )  # fmt: skip
    prompt = PromptEncoder(width, (side, side), (SAM["image_size"],) * 2, SAM["mask_in_chans"])
    transformer = TwoWayTransformer(d["transformer_depth"], width, d["num_heads"], d["mlp_dim"])
    decoder = MaskDecoder(
        transformer_dim=width, transformer=transformer, num_multimask_outputs=d["num_multimask_outputs"],
        iou_head_depth=d["iou_head_depth"], iou_head_hidden_dim=d["iou_head_hidden_dim"],
    )  # fmt: skip
    half = width // 2
    scale = torch.cat([torch.full((half // 2,), 0.4), torch.full((half - half // 2,), 1.0)])
    lots = torch.Generator().manual_seed(7)  # fixed: the tower learns the same code before SAM is trained
    prompt.pe_layer.positional_encoding_gaussian_matrix.copy_(torch.randn(2, half, generator=lots) * scale)
    return Sam(encoder, prompt, decoder, SAM["pixel_mean"], SAM["pixel_std"])
