"""The paper's six tables, recomputed. Rows that do not fit are named one by one, with what they would have
to say.
"""

import json
from pathlib import Path

import pytest

from csp import flops
from csp.decoder import planned
from csp.methods import METHODS, PRESETS, expected_n_avg
from csp.methods.presets import SHAPES

TABLES = json.loads((Path(__file__).parent / "data/paper/tables.json").read_text())

# Printed N_avg that Eq. 9 does not give: (printed, Eq. 9).
N_AVG_MISPRINTS = {
    "table4/7B-224/cls/16": (60, 61),
    "table4/7B-224/seg-first/16": (60, 61),
    "table4/7B-224/cls/64": (74, 73),
    "table4/7B-224/seg-first/64": (72, 73),
}
# Printed TFLOPs that the convention of all other rows does not give: (printed, recomputed).
TFLOPS_MISPRINTS = {
    ("table2", "LLaVA-1.5-7B@0.0"): (8.2, 8.25),
    ("table2", "VisionZip@0.7"): (3.01, 3.09),
    ("table3", "LVLM_CSP"): (3.37, 3.49),
    ("table4", "CLS/16"): (1.59, 1.61),
    ("table4", "Seg First/16"): (1.59, 1.61),
    ("table4", "Seg First/64"): (1.75, 1.77),
}


def printed_rows():
    """Every printed row: table, name, shape, N_avg to use (exact where the configuration is printed),
    TFLOPs.
    """
    for table in ("table1", "table2", "table3", "table4", "table5"):
        for row in TABLES[table]["rows"]:
            name = row.get("method") or (f"{row['clustering']}/{row['nc']}" if "nc" in row else str(row["config"]))
            name += f"@{row['dropping_ratio']}" if "dropping_ratio" in row else ""
            yield table, name, TABLES[table]["setting"], row
    for block in TABLES["table6"]["blocks"]:
        for row in block["rows"]:
            yield "table6", f"{block['setting']}/{row['pruning_ratio']}", block["setting"], row


def mean_tokens(table: str, setting: str, row: dict) -> float:
    """N_avg, exact where a configuration is printed or inferred, else as printed."""
    shape = SHAPES[setting]
    if row["config"]:
        Lc, Nc, Ls, Np = row["config"]
        return (Lc * Nc + Ls * shape.N + (shape.L - Lc - Ls) * Np) / shape.L
    for preset in PRESETS.values():
        printed = (f"table{preset.table}", preset.shape, preset.n_avg, preset.tflops)
        if printed == (table, setting, row["n_avg"], row["tflops"]) and preset.knobs:
            return expected_n_avg(METHODS[preset.method](**preset.knobs), shape.N, shape.L)
    return row["n_avg"]


@pytest.mark.parametrize(("table", "name", "setting", "row"), list(printed_rows()))
def test_printed_tflops(table, name, setting, row):
    shape = SHAPES[setting]
    value = flops.paper_tflops(mean_tokens(table, setting, row), shape.L, shape.d)
    misprint = TFLOPS_MISPRINTS.get((table, name))
    if misprint is None:
        assert value == pytest.approx(row["tflops"], abs=0.015)
    else:
        printed, recomputed = misprint
        assert row["tflops"] == printed
        assert abs(value - printed) > 0.015
        assert value == pytest.approx(recomputed, abs=0.0055)


def test_every_misprint_is_a_printed_row():
    names = {(table, name) for table, name, *_ in printed_rows()}
    assert set(TFLOPS_MISPRINTS) <= names
    assert set(N_AVG_MISPRINTS) <= set(PRESETS)


CSP_ROWS = [key for key, preset in PRESETS.items() if preset.method == "csp" and preset.knobs]


def test_there_are_43_csp_rows_with_a_printed_configuration():
    assert len(CSP_ROWS) == 43


@pytest.mark.parametrize("key", CSP_ROWS)
def test_printed_n_avg_is_eq_9_truncated(key):
    preset = PRESETS[key]
    shape = SHAPES[preset.shape]
    knobs = dict(preset.knobs)
    # Seg-First's count is the picture's affair; the paper's formula takes Nc.
    if knobs.get("cluster") == "seg-first":
        knobs["cluster"] = "uniform"
    exact = flops.n_avg(planned(METHODS["csp"](**knobs).plan(shape.N, shape.L)))
    if key in N_AVG_MISPRINTS:
        assert (preset.n_avg, int(exact)) == N_AVG_MISPRINTS[key]
    else:
        assert int(exact) == preset.n_avg


def test_presets_say_what_the_tables_print():
    printed = {(t, s, r["n_avg"], r["tflops"]) for t, _, s, r in printed_rows()}
    for key, preset in PRESETS.items():
        assert (f"table{preset.table}", preset.shape, preset.n_avg, preset.tflops) in printed, key
        config = preset.knobs and preset.method == "csp" and [preset.knobs[k] for k in ("Lc", "Nc", "Ls", "Np")]
        if config:
            assert any(r["config"] == config and t == f"table{preset.table}" for t, _, _, r in printed_rows()), key


def test_one_layer_by_hand():
    # n = 3, d = 2, m = 5: projections 4*3*4, attention 2*9*2, MLP 3*3*2*5.
    assert flops.macs_per_layer(3, 2, 5) == 48 + 36 + 90


def test_the_bill():
    cost = flops.cost([4, 4, 1], 2, d=2, m=5)
    assert cost.n_avg == 3.0
    assert cost.macs == 2 * flops.macs_per_layer(6, 2, 5) + flops.macs_per_layer(3, 2, 5)
    assert cost.flops == 2 * cost.macs
    assert cost.paper_tflops == 24 * 3 * 4 * (3 + 64) / 1e12


def test_counts_stay_exact_at_7b():
    assert flops.macs_per_layer(320, 4096, 11008) == 4 * 320 * 4096**2 + 2 * 320**2 * 4096 + 3 * 320 * 4096 * 11008


def test_layers_that_were_not_run_are_not_billed() -> None:
    one, two, three = (flops.macs_per_layer(n + 3, 8, 16) for n in (4, 5, 6))
    assert flops.cost([4, 5, 6], 3, 8, 16, skipped=1).macs == one + two
    assert flops.cost([4, 5, 6], 3, 8, 16).macs == one + two + three
    assert flops.cost([4, 5, 6], 3, 8, 16).guide_macs == 0
