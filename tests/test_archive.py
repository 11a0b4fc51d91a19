"""Saved runs: what they carry beside the run; no file costs more than a run, or ends in anything but a run or a sentence."""

from __future__ import annotations

import io
import json
import tracemalloc
import zipfile
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from fake_session import FakeSession
from hypothesis import HealthCheck, given, settings, strategies as st
from synthetic import result

from csp.reference import SIDE, Reference, reference
from csp.render import figures
from csp.trace import Box, Tile
from csp.types import Result
from csp.ui.viewer import packing


def asked(method: str = "csp", truth: bool = True) -> Result:
    """A run with all that it is looked at beside."""
    run = result(method, size=(60, 80))
    known = np.zeros((60, 80), bool)
    known[20:40, 30:50] = True
    return replace(run, reference=reference(FakeSession(), run.request, known if truth else None))


def again(run: Result) -> Result:
    file = io.BytesIO()
    run.save(file)
    file.seek(0)
    return Result.open(file)


@pytest.mark.parametrize("method", ["csp", "full", "fastv", "pyramiddrop", "visionzip"])
def test_what_a_run_is_looked_at_beside_comes_back(method):
    run = asked(method)
    opened = again(run)
    ours, theirs = run.reference, opened.reference
    assert ours is not None and theirs is not None and ours.dense is not None and theirs.dense is not None
    assert np.array_equal(ours.dense.mask, theirs.dense.mask) and np.array_equal(ours.truth, theirs.truth)
    assert ours.dense.cost == theirs.dense.cost and dict(ours.dense.ms) == dict(theirs.dense.ms)
    assert np.array_equal(ours.cls, theirs.cls) and np.array_equal(ours.instances, theirs.instances)
    assert packing.saved(opened) == packing.saved(run)


def test_a_reopened_run_has_all_that_seven_views_need():
    packet = packing.saved(again(asked()))
    assert {"cls", "instance", "dense", "truth", "mask", "A_SEG", "age", "ids"} <= set(packet["arrays"])
    assert packet["bill"]["dense"]["n_avg"] == 256 and packet["iou"]["dense"] is not None
    fresh = asked(truth=False)
    session, image = FakeSession(), fresh.request.image
    live = packing.payload(fresh, session.dense(fresh.request), cls=session.cls(image), objects=session.objects(image))
    assert packing.saved(again(fresh)) == live, "a reopened run says what the live one said"


def test_a_run_that_was_kept_alone_still_opens():
    run = result()
    opened = again(run)
    assert opened.reference is None and packing.saved(opened) == packing.payload(run)


def test_tiles_come_back():
    run = asked()
    tiles = tuple(Tile(Box(0, 0, 80, 30 * (i + 1)), (8, 16), i == 1) for i in range(2))
    tiled = replace(run, trace=replace(run.trace, layout=replace(run.trace.layout, tiles=tiles)))
    assert again(tiled).trace.layout == tiled.trace.layout


def test_what_is_not_known_stays_unknown():
    run = replace(result(), reference=Reference(cls=np.ones(256, np.float32)))
    known = again(run).reference
    assert known is not None and known.dense is None and known.truth is None and known.instances is None
    assert known.cls is not None and known.cls.sum() == 256


def test_instances_of_a_large_picture_are_kept_small():
    class Large(FakeSession):
        def objects(self, image, conf=0.25):
            return np.ones((3, 2000, 1500), bool)

    known = reference(Large(), result().request)
    assert known.instances is not None and max(known.instances.shape) <= SIDE and len(known.instances) == 3


def parts(run: Result) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    file = io.BytesIO()
    run.save(file)
    file.seek(0)
    arrays = dict(np.load(file))
    return arrays, json.loads(arrays.pop("meta").tobytes())


def file_of(arrays: dict[str, np.ndarray], meta: Any) -> io.BytesIO:
    file = io.BytesIO()
    np.savez_compressed(file, **arrays, meta=np.frombuffer(json.dumps(meta).encode(), np.uint8))
    file.seek(0)
    return file


def opened_or_refused(file: io.BytesIO) -> str:
    """Open a file and draw it in every way that the page and the programs draw; the sentence where it is refused."""
    try:
        run = Result.open(file)
    except ValueError as error:
        said = str(error)
    else:
        return drawn(run)
    assert "is not a saved run" in said and "open a file that Result.save wrote" in said
    assert len(said) < 450 and "\n" not in said
    return said


def drawn(run: Result) -> str:
    packing.saved(run)
    run.as_dict()
    repr(run)
    again(run)
    return ""


ARRAYS, META = parts(asked())


def changed(path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    meta = json.loads(json.dumps(META))
    at = meta
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    return meta


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        (("sam_size",), 12_000, "sam_size must be in 1..2048"),
        (("sam_size",), 0, "sam_size must be in 1..2048"),
        (("sam_size",), 64, "sam_input must be two sides of at most sam_size 64"),
        (("request", "method"), -1, "request.method must be text"),
        (("request", "knobs"), 3, "request.knobs must be an object"),
        (("request", "knobs"), {"Nc": {"a": 1}}, "request.knobs.Nc must be a number"),
        (("request", "query"), None, "request.query must be text"),
        (("request", "image"), 1, "request has 'image'"),
        (("layout", "N"), 10**9, "layout.N must be in 1..4096"),
        (("layout", "crop"), [0, 0, 0, 5], "layout.crop must be a box"),
        (("layout", "tiles"), [[[0, 0, 5, 5], [1]]], "layout.tiles[0] must be a box, a grid"),
        (("layout", "tiles"), [[[0, 0, 5, 5], [1, 3], False]], "tiles must hold N tokens together"),
        (("n_avg",), "many", "n_avg must be a number"),
        (("stages", 0, "L"), 10**6, "must be in 1..254"),
        (("stages", 1, "name"), ["a"], "stages[1].name must be text"),
        (("rank_layer",), 99, "rank_layer must be in 0..31"),
        (("cost", "flops"), -5, "cost.flops must be in 0"),
        (("ms",), {"decoder": "fast"}, "ms.decoder must be a number"),
        (("notes",), "one", "notes must be a list"),
        (("words",), ["one"], "words must be"),
        (("forced",), {"pruning": {"keep": [-1]}}, "must be in 0..4095"),
        (("reference", "shapes", "dense"), [10**4, 10**4], "must be a mask of the picture"),
        (("reference", "dense"), {"cost": {}, "ms": {}}, "reference.dense.cost lacks"),
        (("schema",), 2, "its schema is 2, this version reads 1"),
    ],
)
def test_fields_are_checked_by_name(path, value, says):
    assert says in opened_or_refused(file_of(ARRAYS, changed(path, value)))


@pytest.mark.parametrize(
    ("arrays", "says"),
    [
        ({"logits": np.zeros((1000, 4, 4), np.float32)}, "masks must be in 0..64, got 1000"),
        ({"image": np.zeros((1, 1), np.uint8)}, "image must be [any, any, 3]"),
        ({"image": np.zeros((0, 5, 3), np.uint8)}, "image may have 1 to 40,000,000 pixels"),
        ({"iou": np.zeros(3, np.float32)}, "iou must be [1]"),
        ({"A_SEG": np.zeros((32, 256), np.int64)}, "A_SEG must be floating"),
        ({"A_SEG": np.full((32, 256), np.inf, np.float32)}, "A_SEG holds numbers that are not finite"),
        ({"logits": np.full((1, 112, 112), np.nan, np.float32)}, "logits holds numbers that are not finite"),
        ({"stage.0.source": np.full((64, 256), -1, np.float32)}, "must not be negative"),
        ({"stage.0.slots": np.full(64, 10**6)}, "stage.0.slots must be in 0.."),
        ({"stage.0.position_ids": np.full(64, -7)}, "stage.0.position_ids must be in 0..32767"),
        ({"heads.13": np.zeros((4, 7), np.float16)}, "heads.13 must be"),
        ({"heads.x": np.zeros((4, 256), np.float16)}, "a layer of heads"),
        ({"reference.cls": np.zeros(7, np.float32)}, "reference.cls must be [256]"),
        ({"reference.dense": np.zeros(7, np.uint8)}, "reference.dense must be"),
    ],
)
def test_arrays_are_checked_by_name(arrays, says):
    assert says in opened_or_refused(file_of({**ARRAYS, **arrays}, META))


@pytest.mark.parametrize("name", sorted(ARRAYS))
def test_every_array_is_needed_or_left_out_whole(name):
    opened_or_refused(file_of({key: value for key, value in ARRAYS.items() if key != name}, META))


JUNK = [None, True, -1, 0, 2**70, 1.5, "", "x" * 5000, [], [1, [2]], {}, {"a": {"b": 1}}]


def leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(leaf for key, inner in list(items)[:12] for leaf in leaves(inner, (*path, key)))]


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(leaves(META)[1:]), st.sampled_from(JUNK))
def test_any_field_may_hold_anything(path, value):
    opened_or_refused(file_of(ARRAYS, changed(path, value)))


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.sampled_from(sorted(ARRAYS)),
    st.lists(st.integers(0, 300), max_size=3),
    st.sampled_from(["f2", "f4", "i8", "u1", "U3", "c8"]),
)
def test_any_array_may_have_any_shape_and_type(name, shape, dtype):
    opened_or_refused(file_of({**ARRAYS, name: np.ones(shape, dtype)}, META))


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 10**9), st.integers(0, 255))
def test_any_byte_may_be_wrong(at, value):
    data = bytearray(file_of(ARRAYS, META).getvalue())
    data[at % len(data)] = value
    opened_or_refused(io.BytesIO(bytes(data)))


def test_nothing_large_is_allocated_for_a_small_file():
    """A header that promises gigabytes, behind which there are a few bytes."""
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, {"descr": "<f4", "fortran_order": False, "shape": (1, 40_000, 40_000)})
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as out:
        for name, array in ({**ARRAYS, "meta": np.frombuffer(json.dumps(META).encode(), np.uint8)}).items():
            with out.open(f"{name}.npy", "w") as stream:
                stream.write(head.getvalue() + bytes(100)) if name == "logits" else np.lib.format.write_array(stream, array)
    file.seek(0)
    tracemalloc.start()
    assert "no plain array of the size it says" in opened_or_refused(file)
    assert tracemalloc.get_traced_memory()[1] < 20 * 2**20
    tracemalloc.stop()


def test_a_real_but_foreign_run_is_drawn_as_a_figure_too():
    figures.stages([again(asked())])
