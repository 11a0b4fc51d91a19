"""Trade-off without a browser: which settings a sweep runs, where points lie, the paper's numbers, downloads."""

from __future__ import annotations

import base64
import csv
import dataclasses
import io
import json
import zlib
from pathlib import Path

import numpy as np
import pytest
from fake_session import FakeSession

from csp.methods import METHODS, PRESETS
from csp.methods.presets import TABLE_1
from csp.render import curves as draw, typeset
from csp.ui import seeds, shipped, sweep as sweeps
from csp.ui.compare_tab import streamed
from csp.ui.handlers import Handlers
from csp.ui.points import FILES, PRESENT, SCENES, Tradeoff
from csp.ui.sweep import Setting
from csp.ui.widgets import pack

PRINTED = json.loads((Path(__file__).parent / "data/paper/tables.json").read_text())


@pytest.fixture(scope="module")
def tradeoff() -> Tradeoff:
    return Tradeoff(Handlers(FakeSession()))


@pytest.fixture(scope="module")
def asked(tradeoff) -> dict:
    query = tradeoff.handlers.album.suggestions(3)[0].text
    return {"query": query, "source": "scene:3", "method": "csp", **tradeoff.handlers.defaults()}


@pytest.fixture(scope="module")
def lines(tradeoff, asked) -> list[dict]:
    return list(tradeoff.run("methods", PRESENT, 1, **asked))


@pytest.fixture(scope="module")
def table(lines) -> str:
    return "".join(pack(line) + "\n" for line in lines)


def points(lines: list[dict]) -> list[dict]:
    return [line["point"] for line in lines if "point" in line]


def test_all_methods_over_the_papers_ratios(lines):
    begin = lines[0]["begin"]
    assert [curve["label"] for curve in begin["curves"]] == [method.label for method in METHODS.values()]
    assert [curve["label"] for curve in begin["curves"] if curve["bold"]] == ["LVLM_CSP"]
    made = points(lines)
    assert len(made) == begin["runs"] and "end" in lines[-1]
    assert made[0]["method"] == "full" and made[1]["curve"] == -1, "dense and the present setting come first"
    prumerge = [p["knobs"]["n"] for p in made if p["method"] == "prumerge"]
    assert sorted(prumerge) == [25, 37, 50, 63, 76, 89, 127]
    assert any("FEATHER: " in note and "73.5 at least" in note for note in begin["refused"])
    assert not any(note.startswith("PruMerge") for note in begin["refused"])


def test_the_present_setting_is_ringed(tradeoff, asked):
    lines = list(tradeoff.run("Nc", PRESENT, 1, **asked | {"Lc": 7, "Ls": 7, "Nc": 80, "Np": 8}))
    ring = [p for p in points(lines) if p["curve"] == -1]
    assert len(ring) == 1 and ring[0]["knobs"]["Nc"] == 80
    swept = {p["knobs"]["Nc"] for p in points(lines) if p["curve"] == 1}
    assert swept == {1, 2, 4, 8, 16, 32, 64, 80, 128, 256}
    assert all(p["knobs"]["Lc"] == 7 and p["knobs"]["Np"] == 8 for p in points(lines) if p["curve"] == 1)


@pytest.mark.parametrize(("knob", "low", "high"), [("Lc", 0, 26), ("Ls", 0, 24), ("Np", 1, 256)])
def test_a_swept_knob_stays_in_its_range(tradeoff, asked, knob, low, high):
    plan = sweeps.plan(tradeoff.handlers, knob, asked, "full")
    values = [made.knob for made in plan.settings]
    assert values == sorted(values) and (values[0], values[-1]) == (low, high)
    assert asked[knob] in values
    for made in plan.settings:
        METHODS["csp"](**made.knobs).plan(256, 32)


def test_a_layer_sweep_never_leaves_no_layer_to_rank(tradeoff, asked):
    plan = sweeps.plan(tradeoff.handlers, "Lc", asked | {"Ls": 0}, "full")
    assert min(made.knob for made in plan.settings) == 1


def test_clusterings_are_curves_of_their_own(tradeoff, asked):
    plan = sweeps.plan(tradeoff.handlers, "cluster", asked, "full")
    assert plan.labels == ["Dense", "Nc, random", "Nc, uniform", "Nc, cls", "Nc, seg-first"]
    assert {made.knobs["cluster"] for made in plan.settings if made.curve == 4} == {"seg-first"}
    assert plan.bold == set()


def test_scenes_have_answers_and_differ(tradeoff, asked):
    request = tradeoff.handlers.ask(asked).request
    made = sweeps.scenes(tradeoff.handlers, request, 12)
    assert len({r.image.tobytes() for r, _ in made}) == 12
    assert all(mask.any() and mask.shape == r.image.shape[:2] for r, mask in made)
    assert sweeps.scenes(tradeoff.handlers, request, 2)[1][0].query == made[1][0].query


def test_points_are_means_over_the_pictures_done():
    dense, made = Setting(0, "Dense", "full", {}), Setting(1, "x", "csp", {})
    dense.done = [(256.0, 100.0, 40.0, 1.0, 0.8), (256.0, 100.0, 60.0, 1.0, 0.6)]
    made.done = [(64.0, 30.0, 20.0, 0.9, 0.7)]
    at = made.at(dense)
    assert at == {
        "n_avg": 64.0, "operations": 30.0, "time": 50.0, "knob": None, "truth": 0.7, "dense": 0.9, "change": -10.0
    }  # fmt: skip
    made.done.append((66.0, 30.0, 30.0, 0.5, 0.6))
    at = made.at(dense)
    assert (at["n_avg"], at["time"], at["truth"], at["change"]) == (65.0, 50.0, 0.65, -5.0)


def test_no_truth_no_change():
    nan = float("nan")
    dense, made = Setting(0, "Dense", "full", {}), Setting(1, "x", "csp", {})
    dense.done, made.done = [(256.0, 100.0, 40.0, 1.0, nan)], [(64.0, 30.0, 20.0, 0.9, nan)]
    at = made.at(dense)
    assert at["truth"] is None and at["change"] is None and at["dense"] == 0.9
    assert json.loads(pack(at)) == at


def test_every_printed_drop_and_time_is_the_papers():
    for block in PRINTED["table6"]["blocks"]:
        for row in block["rows"]:
            preset = PRESETS[f"table6/{block['setting']}/{row['pruning_ratio']}"]
            assert (preset.n_avg, preset.tflops) == (row["n_avg"], row["tflops"])
            assert (preset.ms, preset.drop) == (row["t_lvlm_ms"], row["miou_drop"])
    drops = {row["method"]: row["miou_drop"] for row in PRINTED["table1"]["rows"]}
    labels = {name: method.label for name, method in METHODS.items()} | {"full": "LLaVA-1.5-7B"}
    for preset in PRESETS.values():
        if preset.table == 1:
            assert preset.drop == drops[labels[preset.method]]
        elif preset.table != 6:
            assert preset.drop is None and preset.ms is None


def test_the_papers_curves(lines):
    ours, others = lines[0]["begin"]["paper"]
    assert ours["label"] == "paper, Table 6: LVLM_CSP" and ours["joined"]
    rows = PRINTED["table6"]["blocks"][0]["rows"]
    assert [p["at"]["n_avg"] for p in ours["points"]] == sorted(row["n_avg"] for row in rows if row["pruning_ratio"])
    first = ours["points"][0]["at"]
    assert first["change"] == -8.1 and first["time"] == pytest.approx(100 * 22.8 / 60.39, abs=0.01)
    assert first["operations"] == pytest.approx(100 * 1.2 / 4.12, abs=0.01)
    assert first["truth"] is None and first["dense"] is None, "the paper prints mIoU on other data"
    assert others["label"] == "paper, Table 1: the others" and not others["joined"]
    assert len(others["points"]) == 8
    assert {p["at"]["change"] for p in others["points"]} == {-9.8, -7.3, -7.8, -10.1, -10.2, -9.6, -8.9, -8.7}


def test_other_sweeps_show_the_papers_own_curve_alone(tradeoff, asked):
    begin = next(tradeoff.run("Np", PRESENT, 1, **asked))["begin"]
    assert [curve["label"] for curve in begin["paper"]] == ["paper, Table 6: LVLM_CSP"]
    assert begin["knob"] == "Np"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"sweep": "everything"}, "sweep must be one of"),
        ({"sweep": None}, "sweep must be one of"),
        ({"pictures": "all of the internet"}, "pictures must be one of"),
        ({"scenes": 0}, "scenes must be in 1..24"),
        ({"scenes": 1e9}, "scenes must be in 1..24"),
        ({"Nc": 300}, "Nc must be in 1..256"),
        ({"source": "junk"}, "source must be"),
        ({"method": "magic"}, "method must be one of"),
    ],
)
def test_what_will_not_do_is_said(tradeoff, asked, change, says):
    given = {"sweep": "methods", "pictures": SCENES, "scenes": 1, **asked} | change
    answers = list(tradeoff.run(**given))
    assert len(answers) == 1 and says in answers[0]["error"]


def test_a_stopped_sweep_keeps_what_it_has(tradeoff, asked):
    work = streamed(tradeoff.run)(sweep="Nc", pictures=SCENES, scenes=3, **asked)
    text = ""
    while text.count('"point"') < 15:
        text = next(work)
    work.close()
    _, curves, ring = tradeoff.read(text)
    assert ring is not None and sum(len(curve.points) for curve in curves if not curve.paper) >= 9
    assert "error" not in tradeoff.export("tradeoff.svg", text, "n_avg", "change")


def test_csv_has_the_points_of_the_page(tradeoff, lines, table):
    data = base64.b64decode(tradeoff.export("tradeoff.csv", table, "n_avg", "change")["data"]).decode()
    read = list(csv.DictReader(io.StringIO(data)))
    measured = [row for row in read if row["source"] == "measured" and row["curve"] != "present"]
    assert len(measured) == len(points(lines)) - 1
    assert sum(row["source"] == "paper" for row in read) == 6 + 8
    shown = {p["label"]: p["at"] for p in points(lines)}
    for row in measured:
        assert float(row["n_avg"]) == shown[row["setting"]]["n_avg"]


@pytest.mark.parametrize("file", list(FILES)[1:])
@pytest.mark.parametrize(("x", "y"), [("n_avg", "change"), ("operations", "truth"), ("time", "dense")])
def test_figures(tradeoff, table, file, x, y):
    out = tradeoff.export(file, table, x, y)
    data = base64.b64decode(out["data"])
    assert data[:4] in (b"\x89PNG", b"%PDF", b"<?xm") and out["name"] == f"csp-{file}"


@pytest.mark.parametrize(
    ("text", "x", "y", "says"),
    [
        (None, "n_avg", "change", "press Sweep"),
        ("junk", "n_avg", "change", "press Sweep again"),
        (pack({"point": {"curve": 1}}), "n_avg", "change", "no point"),
        (pack({"point": {"curve": "1", "at": {}}}), "n_avg", "change", "no point"),
        (pack({"point": {"curve": 1, "at": {"n_avg": "x"}}}), "n_avg", "change", "no curve has a point"),
        ("ok", "size", "change", "x must be one of"),
        ("ok", "n_avg", "joy", "y must be one of"),
    ],
)
def test_what_no_page_sent_is_refused(tradeoff, table, text, x, y, says):
    out = tradeoff.export("tradeoff.svg", table if text == "ok" else text, x, y)
    assert says in out["error"]


def test_looks_are_told_apart_without_colour():
    assert len({look.marker for look in draw.LOOKS}) == len(draw.LOOKS) >= len(TABLE_1)
    for look in draw.LOOKS:
        assert max(np.hypot(*corner) for corner in look.marker) <= 1.001
        lum = luminance(look.color)
        white, dark = 1.05 / (lum + 0.05), (lum + 0.05) / (luminance((15, 23, 42)) + 0.05)
        assert white >= 3 and dark >= 3, (look.color, white, dark)


def luminance(color: tuple[int, int, int]) -> float:
    """Relative luminance of sRGB, 0..1."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (v / 255 for v in color)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_the_figure_of_curves():
    at = dict.fromkeys(sweeps.AXES)
    mine = [draw.Point(f"p{n}", at | {"n_avg": float(n), "change": -1.0 * n}) for n in (30, 10, 20)]
    curve = draw.Curve("ours", mine, bold=True)
    assert draw.placed(curve, "n_avg", "change") == [(10.0, -10.0), (20.0, -20.0), (30.0, -30.0)]
    assert draw.placed(curve, "n_avg", "truth") == []
    paper = draw.Curve("paper, Table 6", [draw.Point("q", at | {"n_avg": 15.0, "change": -3.0})], paper=True)
    figure = draw.tradeoff([paper, curve], ring=mine[0], footer="a footer")
    axes = figure.axes[0]
    assert axes.lines[0].get_color() == "#808080" and len(axes.lines) == 3
    assert axes.lines[2].get_xydata().tolist() == [[30.0, -30.0]]
    assert "paper, Table 6" in typeset.to_bytes(figure, "svg").decode()
    with pytest.raises(ValueError, match="no curve has a point"):
        draw.tradeoff([curve], "time", "truth")


def test_it_opens_with_the_shipped_curves(tradeoff):
    lines = tradeoff.shipped()
    begin, made = lines[0]["begin"], points(lines)
    printed = json.loads(shipped.file().read_text())
    assert begin["shipped"]["queries"] == sum(printed["queries"].values()) and begin["shipped"]["command"] == printed["command"]
    assert [curve["label"] for curve in begin["curves"] if curve["level"]] == ["Dense"]
    assert [curve["label"] for curve in begin["curves"] if curve["bold"]] == ["LVLM_CSP"]
    by_label = {line["label"]: line for line in printed["lines"]}
    assert len(made) == len([line for line in printed["lines"] if not line["curve"].startswith("Figure")])
    for point in made[1:]:
        found = [line for label, line in by_label.items() if point["label"].startswith(label)]
        line = next(line for line in found if line["knobs"] == point["knobs"])
        change = line["change"].get("overall", line["change"])
        assert point["at"]["change"] == pytest.approx(100 * change["value"]) and point["at"]["n_avg"] == line["N_avg"]
        assert point["span"]["change"] == pytest.approx([100 * change["low"], 100 * change["high"]])
        assert point["at"]["operations"] == pytest.approx(100 * line["GFLOPs"] / printed["lines"][0]["GFLOPs"], abs=0.001)
        low, high = point["span"]["change"]
        assert low <= point["at"]["change"] <= high
    assert pack(json.loads(pack(lines))) == pack(lines)


def test_shipped_curves_are_downloaded_with_where_they_come_from(tradeoff):
    text = "".join(pack(line) + "\n" for line in tradeoff.shipped())
    svg = base64.b64decode(tradeoff.export("tradeoff.svg", text, "n_avg", "change")["data"]).decode()
    made = shipped.origin(shipped.summary() or {})
    assert f"{made['queries']} queries on {made['pictures']} park scenes" in svg and "A handful of pictures" not in svg
    data = base64.b64decode(tradeoff.export("tradeoff.csv", text, "n_avg", "change")["data"]).decode()
    assert {row["pictures"] for row in csv.DictReader(io.StringIO(data)) if row["source"] == "measured"} >= {str(made["queries"])}


def test_without_the_results_the_page_opens_empty(tradeoff, monkeypatch, tmp_path):
    monkeypatch.setattr(shipped, "file", lambda: tmp_path / "nowhere.json")
    shipped.summary.cache_clear()
    assert tradeoff.shipped() == []
    shipped.summary.cache_clear()


class Lots(FakeSession):
    """Masks that move with the seed wherever clusters are drawn by lot; other clusterings take the same tokens always."""

    def run(self, request, fresh=False):
        drawn = request.knobs.get("cluster") == "random"
        made = super().run(request if drawn else dataclasses.replace(request, seed=0))
        if drawn:
            made = dataclasses.replace(made, logits=np.roll(made.logits, 3 * request.seed, axis=2))
        return dataclasses.replace(made, request=request)


@pytest.fixture(scope="module")
def seeded(asked) -> tuple[Tradeoff, list[dict]]:
    made = Tradeoff(Handlers(Lots()))
    return made, list(made.run("seeds", PRESENT, 6, **asked))


def test_one_query_under_many_seeds(seeded):
    _, lines = seeded
    begin = lines[0]["begin"]
    assert begin["rows"] == ["random", "uniform", "cls", "seg-first"] and begin["seeds"] == 6
    runs = [line["seed"] for line in lines if "seed" in line]
    assert [run["seed"] for run in runs if run["row"] == 0] == list(range(6))
    assert [run["seed"] for run in runs if run["row"] == 1] == [0], "the second seed took the same tokens: no more are run"
    rows = {line["row"]["row"]: line["row"] for line in lines if "row" in line}
    scores = [run["iou_truth"] if begin["truth"] else run["iou_dense"] for run in runs if run["row"] == 0]
    assert rows[0]["value"] == pytest.approx(np.mean(scores), abs=1e-3) and rows[0]["lots"] and not rows[1]["lots"]
    assert rows[0]["least"] == pytest.approx(min(scores), abs=1e-3) and rows[0]["most"] == pytest.approx(max(scores), abs=1e-3)
    assert rows[0]["least"] <= rows[0]["low"] <= rows[0]["value"] <= rows[0]["high"] <= rows[0]["most"]


def test_the_interval_is_a_95_percent_one():
    """Of 400 samples of 12 from a known law, the interval of the mean holds the true mean about as often as it says."""
    lot = np.random.default_rng(7)
    held = [found["low"] <= 0.5 <= found["high"] for found in (seeds.interval(lot.random(12)) for _ in range(400))]
    assert 0.88 <= np.mean(held) <= 0.97, "a bootstrap over twelve is a little narrow, never as narrow as 90 %"
    values = list(np.linspace(0, 1, 24))
    means = np.random.default_rng(0).choice(values, (20_000, 24)).mean(axis=1)
    found = seeds.interval(values)
    assert (found["low"], found["high"]) == pytest.approx(np.quantile(means, (0.025, 0.975)), abs=0.01)


def test_masks_of_seeds_travel_small(seeded):
    _, lines = seeded
    begin, run = lines[0]["begin"], next(line["seed"] for line in lines if "seed" in line)
    h, w = begin["size"]
    bits = np.unpackbits(np.frombuffer(zlib.decompress(base64.b64decode(run["mask"])), np.uint8), count=h * w)
    assert max(h, w) == seeds.SIDE and bits.mean() == pytest.approx(run["area"], abs=0.01)


def test_seeds_as_a_table(seeded):
    made, lines = seeded
    text = "".join(pack(line) + "\n" for line in lines)
    data = base64.b64decode(made.export("tradeoff.csv", text, "n_avg", "change")["data"]).decode()
    read = list(csv.DictReader(io.StringIO(data)))
    assert tuple(read[0]) == seeds.COLUMNS and [row["seed"] for row in read if row["setting"] == "random"] == list("012345")


def test_seeds_as_a_figure(seeded):
    """The strip of the page, in every format: each mask where it is, and damage of what came back in words."""
    made, lines = seeded
    text = "".join(pack(line) + "\n" for line in lines)
    for kind, magic in (("svg", b"<?xml"), ("png", b"\x89PNG"), ("pdf", b"%PDF")):
        told = made.export(f"tradeoff.{kind}", text, "n_avg", "change")
        data = base64.b64decode(told["data"])
        assert told["name"] == f"csp-seeds.{kind}" and data.startswith(magic)
        if kind == "svg":
            assert data.count(b"<image") == sum("seed" in line for line in lines)
            assert all(f"seed {seed} ".encode() in data for seed in range(6)) and b"seg-first" in data
    runs = [line["seed"] for line in lines if "seed" in line]
    size = tuple(lines[0]["begin"]["size"])
    assert seeds._mask(runs[0]["mask"], size).mean() == pytest.approx(runs[0]["area"], abs=0.01)
    for damage in ("!", base64.b64encode(zlib.compress(bytes(7))).decode(), None):
        worse = [{"seed": {**line["seed"], "mask": damage}} if "seed" in line else line for line in lines]
        told = made.export("tradeoff.svg", "".join(pack(line) + "\n" for line in worse), "n_avg", "change")
        assert "press Sweep again" in told["error"]


def test_a_method_without_clusters_is_one_row(asked):
    lines = list(Tradeoff(Handlers(Lots())).run("seeds", PRESENT, 3, **asked | {"method": "fastv"}))
    assert lines[0]["begin"]["rows"] == ["FastV"] and sum("seed" in line for line in lines) == 1
