"""How figures are set and written: one font, text broken to a measured width, files whose bytes depend on
nothing but the figure.
"""

from __future__ import annotations

import io
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.figure import Figure

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


def inches(text: str, points: float, bold: bool = False) -> float:
    """Width of a line of text in the figures' font."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    font = FontProperties(family=FAMILY, size=points, weight="bold" if bold else "normal")
    width = text_to_path.get_text_width_height_descent(text, font, ismath=False)[0]
    # Hinting on a pixel grid sets a line up to four per cent wider than its outlines.
    return float(width) / 72 * 1.04


def wrap(text: str, width: float, points: float = FONT, bold: bool = False) -> str:
    """Break text so that no line is wider than `width` inches; a word that is wider by itself is broken
    too.
    """
    lines: list[str] = []
    for paragraph in text.split("\n"):
        line = ""
        for word in paragraph.split(" "):
            trial = f"{line} {word}" if line else word
            if inches(trial, points, bold) <= width:
                line = trial
                continue
            if line:
                lines.append(line)
            while len(word) > 1 and inches(word, points, bold) > width:
                cut = next(
                    n
                    for n in range(len(word) - 1, 0, -1)
                    if n == 1 or inches(word[:n], points, bold) <= width
                )
                lines.append(word[:cut])
                word = word[cut:]
            line = word
        lines.append(line)
    return "\n".join(lines)


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
