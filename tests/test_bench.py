"""Benchmarks are programs, never timed tests: their arithmetic, their flags, and that a tiny shape runs."""

from __future__ import annotations

import dataclasses
import json
import os
import statistics
from typing import Any

import pytest
import torch

from csp.bench import decoder, memory, queries, recording, timing, workload
from csp.bench.__main__ import main
from csp.bench.alive import Alive
from csp.flops import cost
from csp.methods import METHODS, PRESETS
from csp.models.llama import Llama

TINY = dataclasses.replace(workload.SHAPES["park"], d=32, m=48, C=32, side=16)


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """The shape "park", smaller: the same layers and tokens."""
    monkeypatch.setitem(workload.SHAPES, "park", TINY)


def test_ratios_are_taken_within_a_round() -> None:
    """Every round is twice as slow as the one before, for both: the ratio does not see it."""
    found = timing.ratios([4.0, 8.0, 16.0], [2.0, 4.0, 8.0])
    assert found == (2.0, 2.0, 2.0)
    assert timing.ratios([1.0, 6.0, 2.0], [1.0, 2.0, 1.0]) == (2.0, 1.0, 3.0)
    with pytest.raises(ValueError, match="at least one value"):
        timing.spread([])


def test_jobs_take_turns_and_the_warm_up_does_not_count() -> None:
    seen: list[str] = []
    jobs = {name: (lambda name=name: seen.append(name)) for name in "abcd"}
    times = timing.Rounds(rounds=5, seed=3).time(jobs)
    assert {name: len(each) for name, each in times.items()} == dict.fromkeys("abcd", 5)
    assert seen[:4] == list("abcd")
    rounds = [tuple(seen[i : i + 4]) for i in range(4, 24, 4)]
    assert all(sorted(turn) == list("abcd") for turn in rounds)
    assert len(set(rounds)) > 1


def test_no_round_begins_after_the_time_is_up() -> None:
    times = timing.Rounds(rounds=50, seconds=0.0).time({"a": lambda: None}, warm=())
    assert len(times["a"]) == 1


def test_the_processor_clock_ignores_waiting() -> None:
    import time

    waiting = {"wait": lambda: time.sleep(0.2)}
    assert timing.Rounds(1, clock="wall").time(waiting, warm=())["wait"][0] >= 0.2
    assert timing.Rounds(1, clock="cpu").time(waiting, warm=())["wait"][0] < 0.1


@pytest.mark.parametrize("shape", workload.SHAPES)
def test_rows_are_table_6_and_every_method(shape: str) -> None:
    rows = decoder.plans(workload.SHAPES[shape])
    assert list(rows)[:7] == ["full", *(f"csp/{ratio}" for ratio in (65, 70, 75, 80, 85, 90))]
    assert set(METHODS) <= set(rows)
    for method in rows.values():
        assert method.plan(workload.SHAPES[shape].N, workload.SHAPES[shape].L)


def test_rows_hold_the_papers_settings() -> None:
    rows = decoder.plans(workload.SHAPES["7b-336"])
    assert (rows["csp/90"].Lc, rows["csp/90"].Nc, rows["csp/90"].Ls, rows["csp/90"].Np) == (11, 32, 3, 2)
    assert decoder.plans(workload.SHAPES["7b-224"])["fastv"].R == PRESETS["table1/7B-224/fastv"].knobs["R"]


def test_the_promise_is_the_bills() -> None:
    """Eq. 10-11 over all layers, as `csp.flops.cost` counts them."""
    dense, rows = (320,) * 32, (128,) * 8 + (320,) * 6 + (80,) * 18
    bills = [cost([n - 64 for n in each], 64, 4096, 11008).macs for each in (dense, rows)]
    assert decoder.promise(dense, rows, 4096, 11008) == pytest.approx(bills[0] / bills[1])
    assert decoder.promise(dense, dense, 4096, 11008) == 1


def test_the_papers_own_efficiency() -> None:
    """Its speed-ups reach 72 to 91 % of what its TFLOPs promise."""
    shapes = [shape for name, shape in workload.SHAPES.items() if name != "park"]
    shares = [decoder.paper(f"csp/{r}", shape)["efficiency"] for shape in shapes for r in (65, 70, 75, 80, 85, 90)]
    assert min(shares) == pytest.approx(0.715, abs=0.005) and max(shares) == pytest.approx(0.909, abs=0.005)
    assert decoder.paper("full", workload.SHAPES["7b-224"])["ms"] == 60.39
    assert decoder.paper("fastv", workload.SHAPES["7b-224"]) is None
    assert decoder.paper("csp/90", workload.SHAPES["park"]) is None


def test_a_layer_is_bound_by_bytes_or_by_flops() -> None:
    shape, limits = workload.SHAPES["7b-224"], {"bytes a second": 1e12, "FLOPs a second": 1e14}
    least = decoder.roofline(shape, 1, 2, limits)
    weights = 4 * 4096**2 + 3 * 4096 * 11008
    assert least(1) == pytest.approx((weights + 2 * 4096) * 2 / 1e12)
    assert least(1000) == pytest.approx(2 * (weights * 1000 + 2 * 1000**2 * 4096) / 1e14)


def test_one_layer_stands_for_all() -> None:
    wide = dataclasses.replace(TINY, d=1024, m=16, H=8, L=3, side=2)
    made = workload.build(wide, torch.device("cpu"), torch.float32)
    assert made.physical == 1 and made.layers.num_layers == 3
    ours = {layer.mlp.up_proj.weight.data_ptr() for layer in made.llm.layers}
    assert len(ours) == 1
    narrow = workload.build(TINY, torch.device("cpu"), torch.float32)
    assert narrow.physical == 32
    assert len({layer.mlp.up_proj.weight.data_ptr() for layer in narrow.llm.layers}) == 32


def test_a_batch_runs_the_rows_of_one_sample() -> None:
    """At --batch 3 every method, merging ones too, runs as many rows in as many layers as one sample does."""
    made = workload.build(TINY, torch.device("cpu"), torch.float32, B=3)
    seen: list[tuple[int, ...]] = []

    class Watched(Llama):
        def run(self, first, L, hidden, position_ids, record=None):
            seen.extend([tuple(hidden.shape[:2])] * L)
            return super().run(first, L, hidden, position_ids, record)

    made = dataclasses.replace(made, layers=Watched(made.llm))
    for name, method in decoder.plans(TINY).items():
        rows, job = decoder.rows_per_layer(made, method), decoder.job(made, method)
        seen.clear()
        job()
        assert seen == [(3, n) for n in rows], name
        assert decoder.run(made, method).trace.n_per_layer == tuple(n - TINY.N_text for n in rows)


@pytest.mark.usefixtures("tiny")
def test_decoder_runs(capsys: pytest.CaptureFixture[str], tmp_path) -> None:
    file = tmp_path / "decoder.json"
    flags = ["--rounds", "2", "--only", "csp/90", "feather", "--batch", "2", "--json", str(file)]
    assert main(["decoder", "--shape", "park", "--device", "cpu", *flags]) == 0
    out, found = capsys.readouterr().out, json.loads(file.read_text())
    assert [row["name"] for row in found["rows"]] == ["full", "csp/90", "feather"]
    dense, pruned, _ = found["rows"]
    assert dense["speed-up"] == [1, 1, 1] and dense["promised"] == 1
    assert pruned["efficiency"][0] == pytest.approx(pruned["speed-up"][0] / pruned["promised"])
    assert pruned["n_avg"] == pytest.approx((12 * 32 + 2 * 256 + 18 * 2) / 32)
    alone = [sum(each) for each in zip(*(found["seconds"][f"{n} rows"] for n in dense["rows_per_layer"]), strict=True)]
    expected = statistics.median(t / a for t, a in zip(found["seconds"]["full"], alone, strict=True))
    assert dense["by layers"][0] == pytest.approx(expected)
    assert "torch" in found["machine"] and found["rounds"] == 2 and found["batch"] == 2
    assert "batch 2" in out and "csp/90" in out and "paper" not in out


@pytest.mark.usefixtures("tiny")
def test_trace_runs(capsys: pytest.CaptureFixture[str], tmp_path) -> None:
    file = tmp_path / "trace.json"
    assert main(["trace", "--shape", "park", "--device", "cpu", "--rounds", "1", "--json", str(file)]) == 0
    rows = {row["name"]: row for row in json.loads(file.read_text())["rows"]}
    T = TINY.N + TINY.N_text
    assert rows["full, eager maps"]["kept"] >= 32 * TINY.H * T * T * 4
    assert rows["full, A_SEG"]["more"] < rows["full, eager maps"]["more"] / 4
    assert rows["full"]["time"] == [1, 1, 1]
    assert "eager maps" in capsys.readouterr().out


def test_eager_maps_are_the_recorded_rows() -> None:
    """What the two sides of the comparison look at is the same thing."""
    made = workload.build(TINY, torch.device("cpu"), torch.float32)
    maps = recording.eager_maps(made)()
    recorded = decoder.run(made, METHODS["full"]()).trace
    row, image = made.start.layout.I_rank[0], made.start.layout.image
    eager = torch.stack([layer[0, :, row, image].mean(dim=0) for layer in maps])
    torch.testing.assert_close(torch.tensor(recorded.A_SEG), eager, rtol=1e-3, atol=1e-6)


@pytest.mark.usefixtures("tiny")
def test_memory_runs(capsys: pytest.CaptureFixture[str], tmp_path) -> None:
    file = tmp_path / "memory.json"
    assert main(["memory", "--shape", "park", "--device", "cpu", "--runs", "0", "--json", str(file)]) == 0
    found = json.loads(file.read_text())
    assert found["weights"] == 32 * (4 * 32**2 + 3 * 32 * 48) * 4
    assert found["activations"] == (256 + TINY.N_text) * (2 * 32 + 3 * 48) * 4
    assert found["peaks"]["full"] >= (256 + TINY.N_text) * 3 * 48 * 4 and found["growth"] is None
    assert "peak / (weights + activations)" in capsys.readouterr().out


@pytest.mark.usefixtures("tiny")
def test_queries_run(capsys: pytest.CaptureFixture[str], tmp_path) -> None:
    file = tmp_path / "queries.json"
    flags = ["--device", "cpu", "--rounds", "1", "--queries", "3", "--json", str(file)]
    assert main(["queries", "--shape", "park", *flags]) == 0
    found = json.loads(file.read_text())
    assert list(found["seconds"]["model"]) == [
        "first query", "another, picture kept", "another, prefix kept", "3 at once, each",
    ]
    assert list(found["seconds"]["decoder"]) == ["first query", "another, prefix kept", "3 at once, each"]
    assert "decoder alone: park" in capsys.readouterr().out


def test_queries_differ_behind_one_prefix() -> None:
    """What is timed as another query, or as several, gives what each would give by itself."""
    made = workload.build(TINY, torch.device("cpu"), torch.float32)
    jobs = queries.decoder_jobs(made, METHODS["csp"](), 3)
    alone = jobs["first query"]()
    together, prefixes = jobs["3 at once, each"]()
    torch.testing.assert_close(together[0].seg_state, alone.seg_state, rtol=1e-3, atol=1e-4)
    assert not torch.allclose(together[1].seg_state, alone.seg_state, atol=1e-2)
    assert [prefix.P for prefix in prefixes] == [3 + 64, 3 + 256, 3]
    (another,), _ = jobs["another, prefix kept"]()
    torch.testing.assert_close(another.seg_state, together[1].seg_state, rtol=1e-3, atol=1e-4)


def test_growth_is_the_slope() -> None:
    assert memory.slope([5, 7, 9, 11]) == 2
    assert memory.slope([3, 3, 3]) == 0 and memory.slope([3]) == 0
    assert memory.slope([0, 1, 0, 1, 0]) == 0


def test_what_is_kept_is_seen_to_grow(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    """Resident pages are the second number that the system tells."""
    statm = tmp_path / "statm"
    monkeypatch.setattr(memory, "STATM", statm)
    resident = memory.watch(lambda i: statm.write_text(f"900000 {1000 + 3 * i} 70 1 0 80 0"), 40)
    page = os.sysconf("SC_PAGE_SIZE")
    assert resident[:2] == [1000 * page, 1003 * page] and memory.slope(resident) == pytest.approx(3 * page)


def test_bytes_alive_are_counted_once_and_freed() -> None:
    x = torch.zeros(1000)
    with Alive() as counted:
        y = x + 1
        view = y.view(10, 100)
        z = y * 2
        assert counted.now == counted.peak == 8000
        del y
        assert counted.now == 8000
        del view
        x.add_(1)
        assert counted.now == 4000 and counted.peak == 8000
    del z
    assert counted.now == 0


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["decoder", "--shape", "70b"], "70b"),
        (["decoder", "--only", "csp/99"], "--only knows full, csp/65"),
        (["decoder", "--rounds", "0"], "--rounds must be at least 1"),
        (["decoder", "--batch", "0"], "--batch must be in 1..1024"),
        (["decoder", "--threads", "0"], "--threads must be at least 1"),
        (["decoder", "--dtype", "int8"], "dtype must be one of"),
        (["trace", "--clock", "sun"], "sun"),
        (["memory", "--runs", "-1"], "--runs must be at least 0"),
        (["queries", "--queries", "1"], "--queries must be in 2..64"),
        (["queries", "--method", "magic"], "--method must be one of full"),
        ([], "required"),
    ],
)
@pytest.mark.usefixtures("tiny")
def test_what_is_wrong_is_said(capsys: pytest.CaptureFixture[str], flags: list[str], said: str) -> None:
    assert main(flags) == 2
    assert said in capsys.readouterr().err


def test_a_host_at_full_size_in_miniature(monkeypatch: pytest.MonkeyPatch) -> None:
    """The program as it is, its sizes aside: what it reports, and that a second query finds the towers' work done."""
    from csp.bench import host

    llm = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 16, "num_attention_heads": 4}
    vision = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 224}
    sam = {"image_size": 128, "hidden_dim": 32, "mlp_dim": 32, "embed_dim": 8, "num_heads": 1, "stages": [1, 1, 2, 1]}
    monkeypatch.setattr(host, "SIZES", {"1B": llm})
    monkeypatch.setattr(host, "VISION", vision)
    monkeypatch.setattr(host, "SAM", sam | {"global_att_blocks": [3], "window_spec": [4, 4, 4, 4]})
    monkeypatch.setattr(host, "VOCABULARY", 300)
    args = main_args(["host", "--rounds", "1", "--max-tiles", "2", "--dtype", "float32"])
    found = host.measure(args)
    assert found["N"] == 64 and found["n_avg"]["dense"] == 64 and found["n_avg"]["CSP"] == 58
    assert found["dtype"] == "float32" and found["seconds"]["CSP"].keys() == {"first", "second"}
    assert found["ms of the last"]["CSP second"]["vision"] < found["ms of the last"]["CSP first"]["vision"]
    text = host.report(found)
    assert "at most 6 GB met" in text and "second query" in text


def main_args(argv: list[str]) -> Any:
    from csp.bench.__main__ import parser

    return parser().parse_args(argv)


def test_the_evaluation_beside_a_loop(park_folder, capsys: pytest.CaptureFixture[str], tmp_path) -> None:
    file = tmp_path / "evaluation.json"
    asked = ["evaluation", "--model", str(park_folder), "--device", "cpu", "--scenes", "2", "--json", str(file)]
    assert main(asked) == 0 and "times as many pictures a second as a loop" in capsys.readouterr().out
    found = json.loads(file.read_text())
    assert found["queries"] > 6 and found["loop s"] > 0 < found["evaluation s"]
    # Sums in another order move a logit by its last bits: a few pixels that lay on the edge, in a few masks.
    assert found["most pixels apart"] <= 5 and found["same intersection and union"] >= 0.75 * found["queries"]
    assert main(["evaluation", "--scenes", "0"]) == 2
