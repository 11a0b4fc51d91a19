"""Sizes of the embedded model and its freshly initialised parts: the tower, SAM, the projector, the decoder."""

from __future__ import annotations

from typing import Any

import torch
from segment_anything.modeling import Sam
from transformers import AttentionInterface, CLIPVisionConfig, CLIPVisionModel

from csp.models.sam import PIXEL_MEAN as PIXEL_MEAN, PIXEL_STD as PIXEL_STD, build_sam, sam_sizes

CLIP: dict[str, Any] = dict(
    image_size=224, patch_size=14, hidden_size=128, intermediate_size=384, num_hidden_layers=7, num_attention_heads=4,
    hidden_act="quick_gelu", projection_dim=128,
)  # fmt: skip
SAM: dict[str, Any] = {
    "image_size": 224,
    "patch_size": 8,
    "encoder": dict(
        embed_dim=96,
        depth=4,
        num_heads=4,
        window_size=7,
        global_attn_indexes=[2],
        mlp_ratio=3,
        use_rel_pos=False,
        out_chans=128,
    ),
    "prompt_embed_dim": 128,
    "mask_in_chans": 16,
    "decoder": dict(
        transformer_depth=2,
        mlp_dim=256,
        num_heads=4,
        num_multimask_outputs=3,
        iou_head_depth=3,
        iou_head_hidden_dim=128,
    ),
    "pixel_mean": list(PIXEL_MEAN),
    "pixel_std": list(PIXEL_STD),
}


def plain(
    module: torch.nn.Module, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: object, scaling: float = 1.0, **_: object
) -> tuple[torch.Tensor, None]:
    """Attention by products and a softmax: on a CPU its backward pass takes a fraction of the fused kernel's."""
    scores = (q * scaling) @ k.transpose(2, 3)
    return (scores.softmax(-1).to(v.dtype) @ v).transpose(1, 2).contiguous(), None


def tower(learning: bool = False) -> CLIPVisionModel:
    """`learning`: with an attention that is faster to differentiate, the same function."""
    if not learning:
        return CLIPVisionModel(CLIPVisionConfig(**CLIP))
    AttentionInterface.register("plain", plain)
    return CLIPVisionModel(CLIPVisionConfig(**{**CLIP, "attn_implementation": "plain"}))


def sam() -> Sam:
    """segment_anything's own classes at small sizes; frequencies of its position code at two scales.

    The prompt side is fixed from the start, so that the decoder and the segmenter can be trained side by side: what [SEG] has to
    say is the same before and after.
    """
    model = build_sam(sam_sizes(SAM))
    half = SAM["prompt_embed_dim"] // 2
    scale = torch.cat([torch.full((half // 2,), 0.4), torch.full((half - half // 2,), 1.0)])
    lots = torch.Generator().manual_seed(7)  # fixed: the tower learns the same code before SAM is trained
    model.prompt_encoder.pe_layer.positional_encoding_gaussian_matrix.copy_(torch.randn(2, half, generator=lots) * scale)
    encoder: Any = model.prompt_encoder
    with torch.no_grad():
        for fixed in (encoder.point_embeddings[1].weight, encoder.not_a_point_embed.weight):
            fixed.copy_(torch.randn(fixed.shape, generator=lots) * 0.5)
    encoder.requires_grad_(False)
    return model
