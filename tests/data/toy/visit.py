"""What a method, a selector and a mask head that somebody added meet on their way; run in a copy of the project."""

from __future__ import annotations

import contextlib
import io
import json
import sys
from pathlib import Path

import numpy as np
import torch

import csp
import csp.checkpoints
from csp import clusters, evaluate, figures, segment
from csp.evaluation.suites import SUITES
from csp.methods import knobs, resolve
from csp.methods.presets import TABLE_1, TABLE_4
from csp.session import Session
from csp.types import Request
from csp.ui import build, permalink
from csp.ui.handlers import Handlers

work = Path(sys.argv[1])
told: dict[str, object] = {"from": csp.__file__}


def program(main, *argv: object) -> str:
    """A program's output; it must end well."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        code = main([str(each) for each in argv])
    assert code == 0, (argv, said.getvalue())
    return said.getvalue()


# One model for all programs: reading it is not what is tried here.
model = csp.load("park", device="cpu")
csp.checkpoints.load = lambda *args, **more: model

# The registry and the public surface.
assert csp.Toy is csp.METHODS["toy"] and "Toy" in dir(csp) and resolve("toy", 256, 32) == csp.Toy()
assert "strided" in csp.CLUSTERS and [knob.name for knob in knobs(csp.CSP)].count("every") == 1
assert csp.CSP(cluster="strided", every=3).every == 3

# Suites hold the paper's rows and run.
assert "toy" not in TABLE_1 and "strided" not in TABLE_4
assert all(suite.lines((0,)) for suite in SUITES.values())
where = ("--scenes", 1, "--family", "ref", "--seeds", 1, "--device", "cpu")
told["table1"] = program(evaluate.main, "--suite", "table1", *where, "--docs", work / "docs", "--out", work / "rows")
told["evaluate"] = program(evaluate.main, "--method", "toy", "--R", 30, "--knob-seeds", 5, *where[:4], "--device", "cpu")

# Flags of programs, and figures.
scene = csp.park.scene(7, split="test")
picture = work / "scene.png"
from PIL import Image  # noqa: E402

Image.fromarray(scene.image).save(picture)
query = scene.queries[0][1]
program(segment.main, picture, query, "--method", "toy", "--R", 30, "--from_", "bottom", "--out", work / "toy", "--device", "cpu")
program(segment.main, picture, query, "--cluster", "strided", "--every", 5, "--out", work / "strided", "--device", "cpu")
runs = [csp.Result.open(work / name / "run.npz") for name in ("toy", "strided")]
assert runs[0].request.knobs == {"K": 4, "R": 30, "seeds": 3, "from_": "bottom"} and runs[1].request.knobs["every"] == 5
assert runs[1].trace.stages[0].patches.tolist() == sorted(np.concatenate([np.arange(f, 256, 5) for f in range(5)])[:64].tolist())
drawn = {"stages": ("--method", "toy"), "4B": ("--set", "cluster=strided", "every=7")}
for figure, flags in drawn.items():
    program(figures.main, "--figure", figure, *flags, "--scenes", 7, "--out", work / f"{figure}.svg", "--device", "cpu")
    assert (work / f"{figure}.svg").stat().st_size > 2000

# The page: controls, links, HTTP, agents.
session = Session(model)
card = next(card for card in session.catalogue() if card.name == "toy")
assert {knob.name for knob in card.knobs} == {"K", "R", "seeds", "from_"} and session.at_budget("toy", 73)["R"] > 1
page, handlers = build(session), Handlers(session)
config = json.dumps(page.get_config_file(), default=str)
assert "A toy" in config and "strided" in config
turned = {"cluster": "strided", "every": 3}
asked = {"query": "x", "source": "scene:7", "method": "csp", "knobs": turned, **turned}
there, notes = permalink.read(handlers, permalink.link(handlers, asked))
assert not notes and {**there, **there.get("knobs", {})}["every"] == 3, (there, notes)
endpoint = next(event for event in page.fns.values() if event.api_name == "run")
assert "toy: K (1..32, default 4), R (1..256, default 40)" in endpoint.fn.__doc__
first = (scene.image, query, "toy", 8, 64, 6, 16, "uniform", 0)
mask, strip, run = endpoint.fn(*first, {"R": 20.0, "from_": "bottom"}, "auto", "teacher", False)
assert run["request"]["knobs"] == {"K": 4, "R": 20, "seeds": 3, "from_": "bottom"} and strip is None


# A head of one's own: nothing but the object.
class Head:
    """A mask head that finds the brighter half."""

    key, image_size = "toy", 64
    module = encoder = torch.nn.Identity()

    def describe(self) -> str:
        return "the brighter half"

    def encoding_bytes(self, size: int) -> int:
        return 0

    def encode(self, image: np.ndarray):
        light = torch.from_numpy(image).float().mean(dim=2)[None, None]
        return torch.nn.functional.interpolate(light, (64, 64), mode="area"), (64, 64)

    def decode(self, features, prompts):
        light = features[0] - features.median()
        return light.expand(len(prompts), -1, -1), torch.ones(len(prompts))

    def from_boxes(self, features, boxes, size):
        return np.zeros((len(boxes), *size), bool)


model.mask_head = Head()
result = Session(model).run(Request(scene.image, query, "toy", {"R": 20}))
assert result.logits.shape == (1, 64, 64) and 0.3 < result.mask.mean() < 0.7
assert "the brighter half" in repr(model) and figures.stages([result]).axes
told["head"] = float(result.mask.mean())

# The README's table of methods: what its test would ask for.
sys.path.insert(0, sys.argv[2])
import test_readme  # noqa: E402

told["row"] = next(line for line in test_readme.method_table().splitlines() if line.startswith("| `toy`"))
told["clusters"] = list(clusters.SELECTORS)
print(json.dumps(told))
