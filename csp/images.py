"""Pictures at the edge: whatever a visitor hands in becomes uint8 RGB [H, W, 3], or a ValueError that says
what to do.

Knows Pillow and numpy; knows nothing of models. Every program and the page read pictures through `read`.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from PIL import Image

MAX_PIXELS = 40_000_000
MAX_SIDE = 16_384
MAX_ASPECT = 1000
"""Longer than this to one side, a picture is a line to every model, and resizing costs more than looking."""
# Only formats that Pillow decodes itself: EPS, for one, would start Ghostscript on a stranger's file.
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM")
_KINDS = "PNG, JPEG, WebP, GIF, BMP or TIFF"


class Refused(ValueError):
    """A picture that will not do, in words for whoever handed it in."""


def read(source: Any, longest: int | None = None) -> np.ndarray:
    """Read a picture upright and opaque, as uint8 RGB [H, W, 3]; its longer side at most `longest` pixels, if given.

    `source` is a path, the bytes of a file, a PIL image, an array that already is uint8 RGB, or a torch tensor
    [3, H, W] or [H, W, 3] of uint8 or of floats from 0 to 1. EXIF
    rotation is applied, transparency is laid on white, 16 bits become 8, of an animation the first frame
    counts.

    Raises Refused, a ValueError, for what is not a picture, is damaged, is empty, has more than 40 megapixels,
    a side of more than 16,384 pixels, or one that is more than 1,000 times the other: before pixels are decoded,
    where the file tells its size.
    """
    from PIL import Image

    if hasattr(source, "detach"):
        source = _from_tensor(source)
    if isinstance(source, np.ndarray):
        array = _check_array(source)
        return array if longest is None or max(array.shape[:2]) <= longest else _to_rgb(Image.fromarray(array), longest)
    if isinstance(source, Image.Image):
        return _to_rgb(source, longest)
    if isinstance(source, (str, Path)):
        path = Path(source)
        if not path.is_file():
            raise Refused(f"there is no picture file {str(path)!r}: check the path")
        _check_bytes(path.stat().st_size)
        return _open(path, longest)
    if isinstance(source, (bytes, bytearray, memoryview)):
        _check_bytes(len(source))
        return _open(io.BytesIO(source), longest)
    raise Refused(
        f"the picture must be a path, bytes, a PIL image or a uint8 RGB array [H, W, 3], "
        f"got {type(source).__name__}"
    )


def size_of(source: Any) -> tuple[int, int]:
    """Height and width of a picture that `read` takes, upright, from the file's head alone.

    Raises Refused as `read` does.
    """
    from PIL import ExifTags, Image

    if isinstance(source, str | Path | bytes | bytearray | memoryview):
        with _decoding(), Image.open(source if isinstance(source, str | Path) else io.BytesIO(source), formats=FORMATS) as image:
            width, height = image.size
            # Tags 5 to 8 of EXIF lay the picture on its side.
            return (width, height) if image.getexif().get(ExifTags.Base.Orientation, 1) >= 5 else (height, width)
    if isinstance(source, Image.Image):
        return source.size[::-1]
    height, width = read(source).shape[:2]
    return height, width


def read_all(source: Any) -> tuple[list[np.ndarray], bool]:
    """Every picture of a list, a tuple or a stack with four axes by `read`, or a single one, and whether it is a single one."""
    if isinstance(source, list | tuple) or getattr(source, "ndim", 0) == 4:
        return [read(picture) for picture in source], False
    return [read(source)], True


def _from_tensor(tensor: Any) -> np.ndarray:
    """A tensor's picture: [3, H, W] as torchvision has it, or [H, W, 3]; whole numbers 0..255, or shares 0..1."""
    whole = not tensor.is_floating_point()
    array = tensor.detach().cpu().numpy() if whole else tensor.detach().float().cpu().numpy()
    if array.ndim == 3 and array.shape[0] == 3:
        array = array.transpose(1, 2, 0)
    if whole or array.ndim != 3:
        return array
    if not (array.min(initial=0) >= 0 and array.max(initial=0) <= 1):
        raise Refused(
            f"a picture of floating-point numbers must hold shares from 0 to 1, got {array.min():.3g} to {array.max():.3g}: "
            "undo its normalisation, or pass uint8"
        )
    return (array * 255).round().astype(np.uint8)


def _check_bytes(n: int) -> None:
    if n == 0:
        raise Refused(f"the picture file is empty (0 bytes): choose a {_KINDS} file")


def _open(file: Path | io.BytesIO, longest: int | None) -> np.ndarray:
    from PIL import Image

    with _decoding(), Image.open(file, formats=FORMATS) as image:
        return _to_rgb(image, longest)


def _to_rgb(image: Image.Image, longest: int | None) -> np.ndarray:
    from PIL import ImageOps

    # The header is read, the pixels are not: the size is known before any memory is spent on it.
    _check_size(*image.size)
    with _decoding():
        if longest is not None and max(image.size) > longest:
            # JPEG decodes to a half, a quarter or an eighth at once; then what is left of the way, in a copy.
            image.draft("RGB", (longest, longest))
            image.load()
            image = image.copy()
            image.thumbnail((longest, longest), reducing_gap=2.0)
        image.load()
        return np.ascontiguousarray(np.asarray(_flatten(ImageOps.exif_transpose(image)), dtype=np.uint8))


@contextmanager
def _decoding() -> Iterator[None]:
    """Whatever Pillow's decoders raise, in words."""
    from PIL import Image, UnidentifiedImageError

    try:
        yield
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise Refused(_too_large("far more")) from error
    except UnidentifiedImageError as error:
        raise Refused(f"this file is not a picture that can be read: choose a {_KINDS} file") from error
    except Refused:
        raise
    except (
        Exception
    ) as error:  # damaged files raise OSError, SyntaxError, struct.error, zlib.error, KeyError, ...
        raise Refused(
            f"the picture is damaged or cut short ({error}): save it again as PNG or JPEG"
        ) from error


def _flatten(image: Image.Image) -> Image.Image:
    """Any Pillow mode to RGB: alpha over white, sixteen bits to eight by their high byte."""
    from PIL import Image

    mode: Any = image.mode
    if mode.startswith("I"):
        deep = np.asarray(image).astype(np.int64)
        if deep.min() < 0 or deep.max() > 65535:
            raise Refused("the picture has more than 16 bits a channel: save it with 8 or 16 bits")
        return Image.fromarray((deep >> 8).astype(np.uint8)).convert("RGB")
    if mode == "F":
        raise Refused("the picture has floating-point pixels: save it with 8 bits a channel")
    if mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        layer = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")
    return image.convert("RGB")


def _check_array(array: np.ndarray) -> np.ndarray:
    if array.ndim != 3 or array.shape[2] != 3 or array.dtype != np.uint8:
        raise Refused(
            f"a picture array must be uint8 RGB of shape [H, W, 3], got {array.dtype} {list(array.shape)}: "
            "convert it first, or pass a PIL image"
        )
    _check_size(array.shape[1], array.shape[0])
    return np.ascontiguousarray(array)


def _check_size(width: int, height: int) -> None:
    if width < 1 or height < 1:
        raise Refused(f"the picture has no pixels ({width}x{height}): choose another file")
    if width * height > MAX_PIXELS:
        raise Refused(_too_large(f"{width}x{height} = {width * height / 1e6:.1f}"))
    if max(width, height) > MAX_SIDE:
        raise Refused(f"a picture's sides may be at most {MAX_SIDE} pixels, got {width}x{height}: make it smaller first")
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise Refused(f"a picture may be at most {MAX_ASPECT} times as long as it is wide, got {width}x{height}: cut it first")


def _too_large(got: str) -> str:
    return (
        f"a picture may have at most {MAX_PIXELS // 1_000_000} megapixels, got {got}: make it smaller first"
    )
