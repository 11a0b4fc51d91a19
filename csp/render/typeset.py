"""How figures are set and written: one font, text broken to a measured width, files whose bytes depend on
nothing but the figure.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.font_manager import FontProperties

FONT = 7.5
SMALL = 7.0
"""Points. Nothing in a figure is set smaller than SMALL."""
LINE = FONT * 1.34 / 72
"""Height of a line of text, inches."""
DPI = 300
FAMILY = "DejaVu Sans"

_STYLE: dict[str, Any] = {
    "svg.hashsalt": "csp",
    "svg.fonttype": "none",
    "pdf.fonttype": 42,
    "font.family": FAMILY,
    "font.size": FONT,
    "axes.linewidth": 0.5,
    "text.parse_math": False,
}
_METADATA: dict[str, dict[str, Any]] = {
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    "png": {"Software": None},
}


def style() -> AbstractContextManager[None]:
    """Context in which figures are built and written; leaves matplotlib's settings as they were."""
    import matplotlib

    return matplotlib.rc_context(_STYLE)  # type: ignore[arg-type]


def _properties(points: float, bold: bool) -> FontProperties:
    from matplotlib.font_manager import FontProperties

    return FontProperties(family=FAMILY, size=points, weight="bold" if bold else "normal")


def inches(text: str, points: float, bold: bool = False) -> float:
    """Width of a line of text in the figures' font."""
    from matplotlib.textpath import text_to_path

    width = text_to_path.get_text_width_height_descent(text, _properties(points, bold), ismath=False)[0]
    # Hinting on a pixel grid sets a line up to four per cent wider than its outlines.
    return float(width) / 72 * 1.04


def wrap(text: str, width: float, points: float = FONT, bold: bool = False) -> str:
    """Break text so that no line is wider than `width` inches; a word that is wider by itself is broken
    too.

    Every different character is measured once, so that the time is linear in the text, whatever its script.
    """
    advance = _advances(text, points, bold)
    lines: list[str] = []
    for paragraph in text.split("\n"):
        line, wide = "", 0.0
        for word in paragraph.split(" "):
            own = sum(advance[c] for c in word)
            if line and wide + advance[" "] + own <= width:
                line, wide = f"{line} {word}", wide + advance[" "] + own
                continue
            if line:
                lines.append(line)
            line, wide = word, own
            if own > 1.03 * width or (own > width and inches(word, points, bold) > width):
                *full, line = _broken(word, width, advance)
                lines += full
                wide = sum(advance[c] for c in line)
        lines.append(line)
    return "\n".join(lines)


def _broken(word: str, width: float, advance: Mapping[str, float]) -> list[str]:
    """A word in pieces of at most `width`, at least a character each."""
    pieces, piece, wide = [], "", 0.0
    for c in word:
        if piece and wide + advance[c] > width:
            pieces.append(piece)
            piece, wide = "", 0.0
        piece, wide = piece + c, wide + advance[c]
    return [*pieces, piece]


def _advances(text: str, points: float, bold: bool) -> dict[str, float]:
    """How much wider a line gets by each character of a text, inches; all that the font lacks are one box."""
    from matplotlib.font_manager import findfont, get_font

    known = get_font(findfont(_properties(points, bold)))
    drawn = {c: c if known.get_char_index(ord(c)) else "\N{TIBETAN SYLLABLE OM}" for c in set(text) - {"\n"}}
    bare = inches("xx", points, bold)
    # One by one, characters lose what rounding gives to a line: a good per cent.
    wide = {c: max(0.0, inches(f"x{c}x", points, bold) - bare) * 1.015 for c in set(drawn.values())}
    return {c: wide[instead] for c, instead in drawn.items()}


def lines(text: str) -> int:
    """Lines of a text that is already broken."""
    return text.count("\n") + 1


def check_format(path: str | Path) -> str:
    """The format that a file's ending names; ValueError for one that figures are not written in."""
    format = Path(path).suffix.lower().lstrip(".")
    if format not in _METADATA:
        raise ValueError(f"figure format must be one of {', '.join(_METADATA)}, got {format!r}")
    return format


def to_bytes(figure: Figure, format: str) -> bytes:
    """A figure as the bytes of an svg, pdf or png file (300 dpi), no dates inside: equal figures are equal
    files.
    """
    check_format(f"figure.{format}")
    buffer = io.BytesIO()
    with style():
        figure.savefig(buffer, format=format, dpi=DPI, metadata=_METADATA[format])
    return buffer.getvalue()


def to_array(figure: Figure) -> NDArray[np.uint8]:
    """A figure's pixels at 300 dpi, uint8 RGB [h, w, 3]."""
    from PIL import Image

    return np.asarray(Image.open(io.BytesIO(to_bytes(figure, "png"))).convert("RGB"))


def save(figure: Figure, path: str | Path) -> None:
    """Write a figure as .svg, .pdf or .png by the ending of its name; ValueError for another ending."""
    Path(path).write_bytes(to_bytes(figure, check_format(path)))
