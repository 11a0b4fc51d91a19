"""SAM's mask side of LISA, on segment_anything's own unchanged classes.

The published prompt encoder has no text argument, so the sparse prompt (the projected [SEG] state) and the
dense one (`no_mask_embed`) are built here, as LISA's modified copy does: no position, no type embedding is
added to the text prompt.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.functional import interpolate

from csp.checks import shorten
from csp.models.weights import read_json

PIXEL_MEAN = (123.675, 116.28, 103.53)
PIXEL_STD = (58.395, 57.12, 57.375)


@dataclass(frozen=True)
class SamSizes:
    """Sizes of a Sam; the defaults are ViT-H at 1024 pixels, what every published LISA carries.

    `image_size` is in pixels after resizing, `patch_size` in those pixels; the embedding has
    image_size / patch_size cells a side and the logits four times as many.
    """

    embed_dim: int = 1280
    depth: int = 32
    num_heads: int = 16
    global_attn_indexes: tuple[int, ...] = (7, 15, 23, 31)
    window_size: int = 14
    mlp_ratio: float = 4.0
    use_rel_pos: bool = True
    image_size: int = 1024
    patch_size: int = 16
    prompt_embed_dim: int = 256
    mask_in_chans: int = 16
    num_multimask_outputs: int = 3
    decoder_depth: int = 2
    decoder_mlp_dim: int = 2048
    decoder_num_heads: int = 8
    iou_head_depth: int = 3
    iou_head_hidden_dim: int = 256
    pixel_mean: tuple[float, ...] = field(default=PIXEL_MEAN)
    pixel_std: tuple[float, ...] = field(default=PIXEL_STD)

    @property
    def embedding_side(self) -> int:
        return self.image_size // self.patch_size


VARIANTS: Mapping[str, SamSizes] = {
    "vit_h": SamSizes(),
    "vit_l": SamSizes(embed_dim=1024, depth=24, num_heads=16, global_attn_indexes=(5, 11, 17, 23)),
    "vit_b": SamSizes(embed_dim=768, depth=12, num_heads=12, global_attn_indexes=(2, 5, 8, 11)),
}

# Where the nested and the flat spelling of a size file keep each field.
_NESTED = {
    "encoder": {"out_chans": "prompt_embed_dim"},
    "decoder": {
        "transformer_depth": "decoder_depth",
        "mlp_dim": "decoder_mlp_dim",
        "num_heads": "decoder_num_heads",
    },
}
_FLAT = {
    "vit_patch_size": "patch_size",
    "encoder_embed_dim": "embed_dim",
    "encoder_depth": "depth",
    "encoder_num_heads": "num_heads",
    "encoder_global_attn_indexes": "global_attn_indexes",
    "encoder_window_size": "window_size",
    "encoder_mlp_ratio": "mlp_ratio",
    "encoder_use_rel_pos": "use_rel_pos",
}


def sam_sizes(source: str | Path | Mapping[str, Any] | SamSizes) -> SamSizes:
    """Read sizes from a variant's name ("vit_h"), a JSON file or a mapping.

    Two spellings are understood: nested (`{"encoder": {...}, "decoder": {...}}`) and flat (`encoder_depth`,
    ...). Raises ValueError for an unknown name or key.
    """
    if isinstance(source, SamSizes):
        return source
    if not isinstance(source, Mapping):
        if str(source) in VARIANTS:
            return VARIANTS[str(source)]
        if not Path(source).is_file():
            raise ValueError(
                f"sam must be one of {', '.join(VARIANTS)} or a JSON file of sizes, got {str(source)!r}"
            )
        source = read_json(Path(source))
    fields: dict[str, Any] = {}
    for key, value in source.items():
        if key in _NESTED:
            if not isinstance(value, Mapping):
                raise ValueError(f"{key} among the sizes of SAM must hold sizes by name, got {value!r:.40}")
            fields |= {_NESTED[key].get(str(inner), str(inner)): v for inner, v in value.items()}
        else:
            fields[_FLAT.get(key, key)] = value
    unknown = sorted(set(fields) - set(SamSizes.__dataclass_fields__))
    if unknown:
        raise ValueError(
            f"unknown key(s) {shorten(', '.join(unknown), 160)} among the sizes of SAM; "
            f"known are {', '.join(SamSizes.__dataclass_fields__)}"
        )
    listed = {name: tuple(value) for name, value in fields.items() if isinstance(value, list)}
    for name, value in (fields | listed).items():
        default = getattr(SamSizes(), name)
        kind = (int, float) if isinstance(default, float) else type(default)
        fits = isinstance(value, kind) and all(isinstance(each, int | float) for each in listed.get(name, ()))
        if not fits or (isinstance(default, int) and not isinstance(default, bool) and value < 1):
            raise ValueError(f"{name} among the sizes of SAM must be like {default!r}, got {value!r:.40}")
    sizes = SamSizes(**(fields | listed))
    if sizes.image_size % sizes.patch_size:
        raise ValueError(
            f"SAM's image_size must be a multiple of patch_size {sizes.patch_size}, got {sizes.image_size}"
        )
    for width, heads in (("embed_dim", "num_heads"), ("prompt_embed_dim", "decoder_num_heads")):
        if getattr(sizes, width) % getattr(sizes, heads):
            raise ValueError(f"SAM's {width} {getattr(sizes, width)} must be a multiple of {heads}, got {getattr(sizes, heads)}")
    return sizes


def unlike(sizes: SamSizes, state: Mapping[str, Tensor]) -> str:
    """How the image encoder among a checkpoint's tensors differs from ``sizes``, with the remedy; "" where it does not."""
    position, patch = (state.get(f"image_encoder.{name}") for name in ("pos_embed", "patch_embed.proj.weight"))
    if position is None or patch is None or position.ndim != 4 or patch.ndim != 4:
        return ""
    blocks = {int(name.split(".")[2]) for name in state if name.startswith("image_encoder.blocks.")}
    found = (position.shape[-1], len(blocks), position.shape[1] * patch.shape[-1])
    asked = (sizes.embed_dim, sizes.depth, sizes.image_size)
    if found == asked:
        return ""
    fits = [name for name, v in VARIANTS.items() if (v.embed_dim, v.depth, v.image_size) == found]
    remedy = f"pass --sam {fits[0]}" if fits else "pass --sam a JSON file of its sizes, or put it there as sam_config.json"
    width, depth, side = found
    return (
        f"its SAM has {depth} layers of width {width} at {side} pixels, and {asked[1]} of {asked[0]} at {asked[2]} were asked "
        f"for (vit_h where nothing is said): {remedy}"
    )


def build_sam(sizes: SamSizes) -> nn.Module:
    """A `segment_anything.modeling.Sam` of these sizes, randomly initialised."""
    from segment_anything.modeling import ImageEncoderViT, MaskDecoder, PromptEncoder, Sam, TwoWayTransformer

    side, width = sizes.embedding_side, sizes.prompt_embed_dim
    return Sam(
        image_encoder=ImageEncoderViT(
            img_size=sizes.image_size,
            patch_size=sizes.patch_size,
            embed_dim=sizes.embed_dim,
            depth=sizes.depth,
            num_heads=sizes.num_heads,
            mlp_ratio=sizes.mlp_ratio,
            out_chans=width,
            qkv_bias=True,
            norm_layer=partial(nn.LayerNorm, eps=1e-6),
            use_rel_pos=sizes.use_rel_pos,
            window_size=sizes.window_size,
            global_attn_indexes=sizes.global_attn_indexes,
        ),
        prompt_encoder=PromptEncoder(
            embed_dim=width,
            image_embedding_size=(side, side),
            input_image_size=(sizes.image_size, sizes.image_size),
            mask_in_chans=sizes.mask_in_chans,
        ),
        mask_decoder=MaskDecoder(
            transformer_dim=width,
            num_multimask_outputs=sizes.num_multimask_outputs,
            transformer=TwoWayTransformer(
                depth=sizes.decoder_depth,
                embedding_dim=width,
                mlp_dim=sizes.decoder_mlp_dim,
                num_heads=sizes.decoder_num_heads,
            ),
            iou_head_depth=sizes.iou_head_depth,
            iou_head_hidden_dim=sizes.iou_head_hidden_dim,
        ),
        pixel_mean=list(sizes.pixel_mean),
        pixel_std=list(sizes.pixel_std),
    ).eval()


class _ImageEncoder(nn.Module):
    """SAM's image encoder, part by part: the neck computes in the dtype of its own weights, for in float16 it
    overflows. In one dtype throughout it is the encoder's own forward.
    """

    def __init__(self, vit: Any):
        super().__init__()
        self.vit = vit

    def forward(self, pixels: Tensor) -> Tensor:
        vit = self.vit
        x = vit.patch_embed(pixels)
        if vit.pos_embed is not None:
            x = x + vit.pos_embed
        for block in vit.blocks:
            x = block(x)
        return vit.neck(x.permute(0, 3, 1, 2).to(vit.neck[0].weight.dtype)).to(x.dtype)


class SamHead:
    """`csp.models.parts.MaskHead` by SAM as LISA uses it: `encode` a picture once, `decode` prompts into logits.

    SAM's dense position code is computed in float32 and cast: its own matrix stays float32 whatever the weights are,
    since vanilla SAM cannot compute it in half precision. With `offload` the image encoder's weights stay where they
    are (on the CPU) and are copied to the decoder's device for each encoding only.
    """

    def __init__(self, sam: nn.Module, offload: bool = False):
        self.sam: Any = sam
        self.image_size: int = sam.image_encoder.img_size  # type: ignore[union-attr, assignment]
        self.offload = offload
        self._encoder = _ImageEncoder(self.sam.image_encoder)

    @property
    def key(self) -> str:
        """Nothing but its weights, which it keeps."""
        return "sam"

    @property
    def module(self) -> Any:
        """All of it, as one module."""
        return self.sam

    @property
    def encoder(self) -> Any:
        """What runs once a picture."""
        return self.sam.image_encoder

    def describe(self) -> str:
        """Its sizes in words."""
        vit = self.encoder
        return f"{len(vit.blocks)} layers of width {vit.pos_embed.shape[-1]}, {self.image_size} pixels"

    def encoding_bytes(self, size: int) -> int:
        """The largest thing made while encoding, with numbers of `size` bytes: attention over all cells of the picture at
        once in a global layer, whose products and two sums of relative positions are alive together.
        """
        vit = self.encoder
        cells = (vit.img_size // vit.patch_embed.proj.kernel_size[0]) ** 2
        return 3 * vit.blocks[0].attn.num_heads * cells**2 * size

    @property
    def dtype(self) -> torch.dtype:
        return self.sam.mask_decoder.iou_token.weight.dtype

    @property
    def device(self) -> torch.device:
        return self.sam.mask_decoder.iou_token.weight.device

    def resized(self, height: int, width: int) -> tuple[int, int]:
        """(h, w) of a picture once its longest side is `image_size`; a sliver keeps at least one pixel."""
        scale = self.image_size / max(height, width)
        return max(1, int(height * scale + 0.5)), max(1, int(width * scale + 0.5))

    def preprocess(self, image: np.ndarray) -> tuple[Tensor, tuple[int, int]]:
        """uint8 RGB [H, W, 3] to normalised, zero-padded [1, 3, S, S], and the (h, w) that are picture."""
        from PIL import Image

        h, w = self.resized(*image.shape[:2])
        small = np.asarray(Image.fromarray(image).resize((w, h), Image.Resampling.BILINEAR))
        pixels = torch.from_numpy(small.copy()).permute(2, 0, 1).to(self.device, torch.float32)
        return self.sam.preprocess(pixels)[None], (h, w)

    def encode(self, image: np.ndarray) -> tuple[Tensor, tuple[int, int]]:
        """Embedding [1, C, S/patch, S/patch] of a uint8 RGB picture, and the (h, w) that are picture in
        SAM's input.
        """
        pixels, size = self.preprocess(image)
        return self._embed(pixels.to(self.dtype)), size

    def _embed(self, pixels: Tensor) -> Tensor:
        if not self.offload:
            return self._encoder(pixels)
        # Copies for the time of this call: nothing is moved, so nothing has to be moved back, whatever happens.
        here = {name: weight.to(self.device) for name, weight in self._encoder.named_parameters()}
        return functional_call(self._encoder, here, (pixels,))

    def decode(self, embedding: Tensor, prompts: Tensor) -> tuple[Tensor, Tensor]:
        """Prompts [K, C] over one embedding to float32 logits [K, 4g, 4g] (mask token 0) and SAM's own IoU
        scores [K].
        """
        if len(prompts) == 0:  # the vanilla decoder cannot reshape an empty batch
            side = 4 * embedding.shape[-1]
            return embedding.new_zeros((0, side, side), dtype=torch.float32), embedding.new_zeros(
                0, dtype=torch.float32
            )
        return self._decide(embedding, prompts[:, None].to(embedding))

    @torch.no_grad()
    def from_boxes(self, embedding: Tensor, boxes: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """SAM's own box prompt: boxes float [K, 4] in picture pixels to masks bool [K, h, w] of the whole picture."""
        h, w = self.resized(*size)
        scale = np.array([w / size[1], h / size[0]] * 2, np.float32)
        masks = np.zeros((len(boxes), h, w), bool)
        square = (self.image_size, self.image_size)
        for k, box in enumerate(np.asarray(boxes, np.float32).reshape(-1, 4) * scale):
            prompt = self.sam.prompt_encoder._embed_boxes(torch.from_numpy(box)[None].to(embedding.device))
            logits, _ = self._decide(embedding, prompt.to(embedding))
            masks[k] = (interpolate(logits[None], square, mode="bilinear")[0, 0, :h, :w] > 0).cpu().numpy()
        return masks

    def _decide(self, embedding: Tensor, sparse: Tensor) -> tuple[Tensor, Tensor]:
        """Logits [K, 4g, 4g] and scores [K] of sparse prompts [K, P, C]."""
        encoder = self.sam.prompt_encoder
        dense = encoder.no_mask_embed.weight.reshape(1, -1, 1, 1).expand(
            len(sparse), -1, *embedding.shape[-2:]
        )
        logits, iou = self.sam.mask_decoder(
            image_embeddings=embedding,
            image_pe=encoder.get_dense_pe().to(embedding.dtype),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            multimask_output=False,
        )
        return logits[:, 0].float(), iou[:, 0].float()
