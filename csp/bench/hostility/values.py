"""What strangers send: odd values, damaged bytes, objects with one thing changed. Everything is drawn from a generator."""

from __future__ import annotations

import copy
import io
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from PIL import Image

Lot = np.random.Generator

CANARY, KEPT = "canary-that-nobody-sent", "what only the canary knows"
"""The folder of a file that no input hands over, and what the file holds: neither opened nor answered with."""

MARKUP = (
    "<script>window.pwned = 1</script>",
    "<img src=x onerror='window.pwned = 1'>",
    '"><svg onload=window.pwned=1>',
    "javascript:window.pwned=1",
    "{{constructor.constructor('window.pwned=1')()}}",
    "${window.pwned=1}",
    "`;window.pwned=1;//",
    "</script><script>window.pwned=1</script>",
)
"""Text that a careless page runs: it sets ``window.pwned``."""

PLACES = (
    "/etc/passwd",
    "file:///etc/passwd",
    "../../../../etc/passwd",
    "..\\..\\secret",
    "/proc/self/environ",
    f"/tmp/{CANARY}/secret.txt",
    f"file:///tmp/{CANARY}/secret.txt",
    "http://127.0.0.1:9/x.png",
    "http://192.0.2.1/latest/meta-data",
    "\\\\192.0.2.1\\share",
    "data:text/html;base64,PHNjcmlwdD4=",
    "data:image/png;base64,@@@@",
    "data:,",
    "con",
    "a\x00b",
    ".",
    "",
)

WORDS = (
    *("", " ", "\t\n", "\x00", "\x07", "a" * 512, "a" * 513, "a " * 300, "9" * 5000, "x" * 100_000),
    *("NaN", "Infinity", "null", "0x10"),
    *("\u202eevil\u202c", "e\u0301" * 200, "\U0001f468\u200d\U0001f469\u200d\U0001f467" * 60, "\ud800", "\ufeffbom", "漢" * 400),
    *("=1+1", "@SUM(A1)", "%s%s%n", "{0.__class__}", "__proto__", "constructor", "'; DROP TABLE runs; --", "𝟠", "٣", "1e400"),
)

NUMBERS = (
    *(-1, 0, 1, 2, 7.5, -0.0, 1e-320, 1e308, 2**31 - 1, 2**31, 2**53 + 1, 2**63, -(2**63) - 1, 2**70),
    *(float("nan"), float("inf")),
)


def pick(lot: Lot, choices: Any) -> Any:
    """One of a sequence, as it is."""
    return choices[int(lot.integers(len(choices)))]


def nested(depth: int) -> Any:
    """Lists in lists."""
    value: Any = []
    for _ in range(depth):
        value = [value]
    return value


def junk(lot: Lot) -> Any:
    """Any value that JSON can carry and nobody asked for."""
    kinds: tuple[Callable[[], Any], ...] = (
        lambda: pick(lot, NUMBERS),
        lambda: pick(lot, WORDS),
        lambda: pick(lot, MARKUP),
        lambda: pick(lot, PLACES),
        lambda: pick(lot, (None, True, False, [], {}, [[]], {"": ""}, [None], {"a": {"b": 1}}, ["csp"], {"name": ["csp"]})),
        lambda: {"path": pick(lot, PLACES), "meta": {"_type": "gradio.FileData"}},
        lambda: [{"path": pick(lot, PLACES), "url": pick(lot, PLACES), "meta": pick(lot, (3, {}, {"_type": "gradio.FileData"}))}],
        lambda: {"url": pick(lot, PLACES)},
        lambda: {"path": pick(lot, PLACES), "url": pick(lot, PLACES), "size": pick(lot, NUMBERS)},
        lambda: {"__type__": "update", "value": pick(lot, WORDS)},
        lambda: nested(int(lot.integers(1, 60))),
        lambda: [pick(lot, NUMBERS)] * int(lot.integers(1, 3000)),
    )
    return pick(lot, kinds)()


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where in a JSON value something stands, its own place first."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value[:12]) if isinstance(value, list) else ()
    for key, inner in items:
        yield from places(inner, (*path, key))


def changed(value: Any, lot: Lot, most: int = 2) -> Any:
    """A JSON value with one or a few of its parts replaced, taken out, doubled or added."""
    value = copy.deepcopy(value)
    for _ in range(int(lot.integers(1, most + 1))):
        known = [path for path in places(value) if path]
        if not known:
            return junk(lot)
        *way, last = pick(lot, known)
        inside = value
        for key in way:
            inside = inside[key]
        what = int(lot.integers(10))
        if what < 7:
            inside[last] = junk(lot)
        elif what == 7:
            del inside[last]
        elif isinstance(inside, dict):
            inside[pick(lot, WORDS) if what == 8 else "more"] = junk(lot)
        else:
            inside.append(junk(lot))
    return value


def damaged(data: bytes, lot: Lot) -> bytes:
    """Bytes cut, turned, doubled, filled, or mixed with others."""
    out = bytearray(data)
    for _ in range(int(lot.integers(1, 4))):
        at, n = int(lot.integers(max(1, len(out)))), int(lot.integers(1, 64))
        what = int(lot.integers(6))
        if what == 0:
            del out[at:]
        elif what == 1 and out:
            for i in range(at, min(at + int(lot.integers(1, 5)), len(out))):
                out[i] ^= int(lot.integers(1, 256))
        elif what == 2:
            out[at:at] = lot.bytes(n)
        elif what == 3:
            out[at : at + n] = out[at : at + n] * 3
        elif what == 4:
            out[at : at + n] = bytes([pick(lot, (0, 0x7F, 0x80, 0xFF))]) * n
        else:
            del out[at : at + n]
    return bytes(out)


FORMATS = {
    "PNG": ("1", "L", "LA", "P", "RGB", "RGBA", "I;16", "I"),
    "JPEG": ("L", "RGB", "CMYK"),
    "WEBP": ("RGB", "RGBA"),
    "GIF": ("L", "P", "RGB"),
    "BMP": ("1", "L", "RGB", "P"),
    "TIFF": ("1", "L", "RGB", "RGBA", "CMYK", "I;16", "F", "LAB", "YCbCr"),
    "PPM": ("L", "RGB"),
    "ICO": ("RGBA",),
    "TGA": ("RGB",),
    "PDF": ("RGB",),
}
SIZES = ((1, 1), (2, 3), (1, 700), (700, 1), (64, 64), (97, 61), (300, 200), (1, 1001), (16_385, 20), (2000, 2), (0, 0))
LIES = ((0, 0), (1, 2**31 - 1), (2**31 - 1, 1), (40_000, 40_000), (6325, 6325), (16_384, 2), (65_535, 65_535))


def pixels(lot: Lot, size: tuple[int, int], mode: str) -> Image.Image:
    """A picture of noise in one of Pillow's modes."""
    width, height = max(1, size[0]), max(1, size[1])
    if mode in ("I;16", "I", "F"):
        deep = lot.integers(0, 65536, (height, width))
        return Image.fromarray(deep.astype({"I;16": np.uint16, "I": np.int32, "F": np.float32}[mode]))
    image = Image.fromarray(lot.integers(0, 256, (height, width, 3), np.uint8))
    return image.convert("L").convert(mode) if mode in ("LA", "1") else image.convert(mode)


def chunk(kind: bytes, data: bytes) -> bytes:
    """A PNG's chunk."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def lying(width: int, height: int, lot: Lot) -> bytes:
    """A PNG that claims a size, with the little that is behind it."""
    depth, colour = pick(lot, ((8, 2), (16, 6), (1, 0), (8, 3), (16, 0), (4, 6)))
    body = zlib.compress(bytes(int(lot.integers(0, 200_000))))
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, int(lot.integers(0, 2)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def image_file(lot: Lot) -> tuple[str, bytes]:
    """A picture's file as somebody might hand it in, and what it is in words: sound, odd, damaged or none at all."""
    what = int(lot.integers(10))
    if what == 0:
        width, height = pick(lot, LIES)
        return f"PNG that claims {width} x {height}", lying(width, height, lot)
    if what == 1:
        others = (b"<svg onload=alert(1)></svg>", b"%!PS-Adobe\n(x) run", b"PK\x03\x04", b"GIF89a")
        junk_file = pick(lot, (b"", b"\x00" * 500, *others))
        return f"a file of {junk_file[:12]!r}", junk_file
    kind = pick(lot, tuple(FORMATS))
    mode, size = pick(lot, FORMATS[kind]), pick(lot, SIZES)
    out, more = io.BytesIO(), {}
    image = pixels(lot, size, mode)
    if kind in ("PNG", "GIF", "WEBP", "TIFF") and lot.integers(4) == 0:
        more = {"save_all": True, "append_images": [image] * 3}
    if kind in ("JPEG", "PNG", "WEBP", "TIFF") and lot.integers(3) == 0:
        exif = Image.Exif()
        exif[0x0112] = int(lot.integers(0, 12))
        more |= {"exif": exif}
    try:
        image.save(out, kind, **more)
    except (OSError, ValueError, KeyError, RuntimeError, struct.error):
        # Pillow itself will not write such a one.
        image.convert("RGB").save(out, "PNG")
        kind, mode = "PNG", "RGB"
    words = f"{kind} {mode} {image.size[0]} x {image.size[1]}"
    return (words, out.getvalue()) if what < 4 else (f"damaged {words}", damaged(out.getvalue(), lot))
