"""The folder of a Space: what is written, what is found wrong with it, and an app that is asked for a run."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

import csp
from csp import space

APP = """
import os
import gradio as gr

def run(image, query, method, Lc, Nc, Ls, Np, cluster, seed):
    assert "PYTHONPATH" not in os.environ
    return str(image), str(method), {"query": query, "space": os.environ["SPACE_ID"]}

picture, words, number = gr.Image, gr.Textbox, gr.Number
with gr.Blocks(analytics_enabled=False) as demo:
    inputs = [picture(), words(), words(), number(), number(), number(), number(), words(), number()]
    outputs = [words(), words(), gr.JSON()]
    gr.Button().click(run, inputs, outputs, api_name="run")
demo.launch(server_name="127.0.0.1", server_port=int(os.environ["GRADIO_SERVER_PORT"]))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("spaces") / "space"
    space.write(place)
    return place


def broken(checks: list[space.Check]) -> list[str]:
    return [check.words for check in checks if not check.holds]


def test_what_is_written_is_what_an_app_needs(folder: Path) -> None:
    assert {file.name for file in folder.iterdir()} == {*(Path(name).parts[0] for name in space.PARTS), ".gitattributes"}
    names = {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()}
    assert "docs/results/tradeoff.json" in names
    assert {"csp/ui/assets/page.css", "assets/park/config.json", "assets/photos/coffee.jpg", "csp/py.typed"} <= names
    assert not [name for name in names if "__pycache__" in name or name.endswith((".pyc", ".pyi"))]
    assert broken(space.check(folder)) == []


def test_a_space_is_written_again_over_an_earlier_one(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / ".git").mkdir(exist_ok=True)
    (folder / "csp" / "gone.py").write_text("")
    assert space.main([str(folder)]) == 0
    assert not (folder / "csp" / "gone.py").exists() and (folder / ".git").is_dir()
    assert "FAIL" not in (out := capsys.readouterr().out) and "hf upload spaces/" in out


def test_zerogpu_gets_a_torch_that_it_knows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert space.main([str(tmp_path / "zero"), "--zero"]) == 0
    text = (tmp_path / "zero/requirements.txt").read_text()
    assert f"\ntorch=={space.ZERO_TORCH[0]}\ntorchvision=={space.ZERO_TORCH[1]}\n" in text and "\nspaces" in text
    assert "ZeroGPU: Python 3.12" in capsys.readouterr().out
    (tmp_path / "zero/requirements.txt").write_text(text.replace(space.ZERO_TORCH[0], "2.14.1"))
    assert broken(space.check(tmp_path / "zero")) == ["ZeroGPU: Python 3.12, torch==2.14.1, torchvision==0.26.0"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"sdk_version": "5.0.0"}, "gradio 5.0.0 of the header within"),
        ({"python_version": "3.10"}, "Python 3.10, at least 3.11 is needed"),
        ({"app_file": "main.py"}, "app_file main.py"),
        ({"colorTo": "orange"}, "colours blue, orange"),
        ({"short_description": "x" * 61}, "short_description has 61"),
        ({"sdk": None}, "sdk None"),
        ({"license": ...}, "the README header lacks license"),
    ],
)
def test_a_header_that_will_not_do_is_told(folder: Path, change: dict[str, object], says: str) -> None:
    readme = folder / "README.md"
    before = readme.read_text(encoding="utf-8")
    told = {k: v for k, v in (space.header(readme) | change).items() if v is not ...}
    try:
        readme.write_text(f"---\n{yaml.safe_dump(told)}---\n", encoding="utf-8")
        (words,) = broken(space.check(folder))
        assert says in words
    finally:
        readme.write_text(before, encoding="utf-8")


def test_binary_files_go_to_lfs_and_one_left_out_is_told(folder: Path) -> None:
    kept = folder / ".gitattributes"
    assert "*.safetensors filter=lfs diff=lfs merge=lfs -text" in kept.read_text().splitlines()
    kept.write_text("*.zip filter=lfs -text\n")
    assert broken(space.check(folder))[0].startswith("the hub refuses binary files as plain git")
    space.attributes(kept)
    lines = kept.read_text().splitlines()
    assert lines[0] == "*.zip filter=lfs -text" and len(lines) == len(set(lines)) == len(space.BINARY) + 1
    assert broken(space.check(folder)) == []


def test_a_large_file_is_told(folder: Path) -> None:
    large = folder / "assets/large.bin"
    try:
        with large.open("wb") as file:
            file.truncate(space.MOST_BYTES)
        (told,) = broken(space.check(folder))
        assert told.endswith(" MB: a Space keeps 1 GB")
    finally:
        large.unlink()


def test_requirements_that_cannot_be_read_are_told(folder: Path) -> None:
    file = folder / "requirements.txt"
    before = file.read_text()
    try:
        file.write_text("torch >=> 2\n")
        (words,) = broken(space.check(folder))
        assert words.startswith("requirements.txt cannot be read")
    finally:
        file.write_text(before)


def test_other_folders_are_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "thesis.tex").write_text("")
    assert space.main([str(tmp_path)]) == 2
    assert "holds thesis.tex, which is not of a Space" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [tmp_path / "thesis.tex"]
    assert space.main([str(tmp_path / "thesis.tex")]) == 2
    assert space.main([str(Path(csp.__file__).parent / "out")]) == 2
    assert "lies in the checkout" in capsys.readouterr().err
    assert space.main([]) == 2


def test_a_started_app_is_asked_for_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A small app with the page's endpoint stands for the page, whose own answers other tests check."""
    monkeypatch.setenv("PYTHONPATH", "/leaks/in")
    (tmp_path / "app.py").write_text(APP)
    found = space.start(tmp_path)
    assert found.holds and "answered a run of 'the" in found.words, found.words


def test_an_app_that_ends_is_told_with_its_last_words(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("raise SystemExit('app: no such model')")
    assert space.start(tmp_path) == space.Check(False, "the app did not start: app: no such model")


def test_the_commands_of_hosting_exist() -> None:
    """Every flag that docs/hosting.md gives a program is one that its --help names."""
    from csp import inspect

    root = Path(csp.__file__).parents[1]
    app = (root / "app.py").read_text()
    known = {"app.py": app, "csp.space": space.parser().format_help(), "csp.inspect": inspect.parser().format_help()}
    lines = [line.partition("#")[0].split() for line in (root / "docs/hosting.md").read_text().splitlines()]
    seen = set()
    for words in lines:
        program = next((word for word in words if word in known), None)
        if program is not None and "python" in words:
            seen.add(program)
            assert all(flag in known[program] for flag in words if flag.startswith("--")), words
    assert seen == set(known)
