"""The wheel carries code, page and weights, and works from a folder that knows nothing of this one."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from email import message_from_string
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
ASSETS = ROOT / "assets" / "park"
MEBIBYTE = 2**20


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT, capture_output=True, text=True, timeout=900,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (file,) = folder.glob("*.whl")
    return file


@pytest.fixture(scope="module")
def site(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What pip would lay down: a pure wheel is its files."""
    folder = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def elsewhere(site: Path, folder: Path, program: str) -> str:
    """Run a program in another folder, with the unpacked wheel in place of this tree."""
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[0] = {str(site)!r}\n{program}"],
        cwd=folder, capture_output=True, text=True, timeout=900,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_package_is_in_the_wheel_and_its_tools_are_not(site: Path) -> None:
    ignored = {".pyc", ".pyi"}
    ours = [file.relative_to(ROOT) for file in (ROOT / "csp").rglob("*") if file.is_file() and file.suffix not in ignored]
    left = {file.as_posix() for file in ours if not (site / file).is_file()}
    tools = {file.as_posix() for file in ours if file.as_posix().startswith(("csp/park/training/", "csp/bench/"))}
    kept = {f"csp/bench/{name}.py" for name in ("__init__", "__main__", "decoder", "queries", "timing", "workload")}
    assert left == tools - kept
    assert (site / "csp" / "py.typed").is_file()
    assert (site / "csp" / "app.py").read_bytes() == (ROOT / "app.py").read_bytes()


def test_installed_programs_explain_themselves(wheel: Path, site: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (points,) = (name for name in archive.namelist() if name.endswith(".dist-info/entry_points.txt"))
        assert "lvlm-csp = csp.__main__:main" in archive.read(points).decode()
    program = """
from csp.__main__ import VERBS, main
import contextlib, io
for verb in VERBS:
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        try:
            main([verb, "--help"])
        except SystemExit as end:
            assert not end.code
    assert "usage:" in said.getvalue(), verb
assert main(["bench", "interactive"]) == 2 and main(["segmnet"]) == 2
print(sorted(VERBS))
"""
    assert "segment" in elsewhere(site, tmp_path, program)
    trained = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[0] = {str(site)!r}\nfrom csp.park.train import main\nmain()", "tower"],
        cwd=tmp_path, capture_output=True, text=True, timeout=900,
    )  # fmt: skip
    assert trained.returncode == 2 and "run it from a checkout" in trained.stderr


def test_every_asset_is_in_the_wheel(site: Path) -> None:
    files = [file for name in ("park", "photos") for file in (ROOT / "assets" / name).rglob("*") if file.is_file()]
    assert len({file.parent for file in files}) > 1
    for file in files:
        assert (site / "csp" / file.relative_to(ROOT)).read_bytes() == file.read_bytes()


def test_assets_stay_within_what_a_space_takes() -> None:
    sizes = {str(file): file.stat().st_size for file in ASSETS.rglob("*") if file.is_file()}
    assert max(sizes.values()) < 9 * MEBIBYTE, sizes
    assert sum(sizes.values()) < 40 * MEBIBYTE, sizes


def test_nothing_else_is_in_the_wheel(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        tops = {name.partition("/")[0] for name in archive.namelist()}
        assert tops == {"csp", wheel.name.removesuffix("-py3-none-any.whl") + ".dist-info"}
        assert not [name for name in archive.namelist() if name.endswith((".pyc", ".pyi", ".log"))]


def test_the_wheel_asks_for_the_requirements(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (metadata,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        asked = message_from_string(archive.read(metadata).decode()).get_all("Requires-Dist")
        extras = message_from_string(archive.read(metadata).decode()).get_all("Provides-Extra")
    lines = [line.partition("#")[0].strip() for line in (ROOT / "requirements.txt").read_text().splitlines()]
    listed = {Requirement(line).name.replace("_", "-"): Requirement(line).specifier for line in lines if line}
    asked_for = [Requirement(line) for line in asked or []]
    assert {wanted.name: wanted.specifier for wanted in asked_for} == listed
    # What is AGPL comes only to those who ask for it; requirements.txt installs all.
    assert extras == ["mcp", "yolo"]
    marked = {wanted.name: str(wanted.marker) for wanted in asked_for if wanted.marker}
    assert marked == {"ultralytics": 'extra == "yolo"', "mcp": 'extra == "mcp"'}


def test_pins_fit_the_requirements() -> None:
    """constraints.txt pins everything that requirements.txt and requirements-dev.txt name, within the ranges."""

    def read(name: str) -> list[Requirement]:
        lines = [line.partition("#")[0].strip() for line in (ROOT / name).read_text().splitlines()]
        return [Requirement(line) for line in lines if line and not line.startswith("-")]

    def key(name: str) -> str:
        return name.lower().replace("_", "-")

    pins = {key(pin.name): str(pin.specifier).removeprefix("==") for pin in read("constraints.txt")}
    for wanted in (*read("requirements.txt"), *read("requirements-dev.txt")):
        assert pins[key(wanted.name)] in wanted.specifier, wanted
    for name in ("requirements.txt", "requirements-dev.txt", "constraints.txt"):
        assert "://" not in (ROOT / name).read_text(), "no index is named: pip's own is the user's affair"


def test_park_loads_and_runs_from_any_folder(site: Path, tmp_path: Path) -> None:
    program = """
import csp
assert csp.__file__.startswith(sys.path[0]), csp.__file__
model = csp.load("park")
scene = csp.park.scene(7, split="test")
family, query, truth = scene.queries[0]
result = model.segment(scene.image, query, method=csp.CSP(cluster="seg-first"))
assert result.mask.shape == truth.shape
print(result.request.model, result.cost.n_avg)
"""
    name, n_avg = elsewhere(site, tmp_path, program).split()
    assert name == "park"
    assert 50 < float(n_avg) < 80
