"""Sa2VA at its published sizes: every name and shape finds its place, and the inspection says what a folder holds."""

from __future__ import annotations

from math import prod
from pathlib import Path

import pytest
from published import sa2va_tensors, write_sa2va

from csp.inspect import inspect, report

PARAMETERS = {"1B": 1_163_665_714, "4B": 3_941_800_000}


@pytest.mark.parametrize("size", ["1B", "4B"])
def test_every_name_and_shape_has_its_place(tmp_path: Path, size: str) -> None:
    tensors = sa2va_tensors(size)
    count = sum(prod(shape) for shape, _ in tensors.values())
    assert len(tensors) == {"1B": 1541, "4B": 1685}[size] and abs(count - PARAMETERS[size]) < 1e5
    found = inspect(write_sa2va(tmp_path / f"Sa2VA-{size}", size))
    weights = found.weights
    assert found.problems == () and not weights["missing"] and not weights["unexpected"] and not weights["of another shape"]
    assert sum(weights["tensors"].values()) + weights["left out"] == len(tensors)
    layers, width = {"1B": (24, 896), "4B": (36, 2048)}[size]
    assert found.sizes["decoder"].startswith(f"{layers} layers of width {width}") and "(2 of keys)" in found.sizes["decoder"]
    assert found.sizes["vision"].endswith("16 x 16 = 256 image tokens a tile, at most 12 tiles and a thumbnail: 3328")
    assert "SAM 2, 2-6-36-4 blocks of width 144 to 1152, 1024 pixels, the best of three masks" in found.sizes["sam"]
    check = found.check
    assert check["tiles"] == 13 and check["seen"] == 1.0 and check["read-out tokens"] == ["[SEG]"]
    assert check["read-out slots"] == check["[SEG] slots"]
    text = report(found)
    assert "It would load." in text and "assumed, since the folder does not say it: SAM 2 of 1024 pixels" in text
    assert f"template {'qwen_chat' if size == '1B' else 'phi3_chat'}" in text
    bfloat16 = next(row for row in found.memory if row["dtype"] == "bfloat16" and not row["offload_sam"])
    # What remembers a video's frames is left out, and takes no memory.
    assert 0.97 < bfloat16["weights"] / (2 * count) <= 1
