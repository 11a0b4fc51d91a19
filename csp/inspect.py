"""What a model folder holds, before anything slow: ``python -m csp.inspect FOLDER_OR_ID``.

Reads configurations, the tokenizer and the names and shapes of weights, none of their values: says what was found, what
is missing, what it will take in memory, and where [SEG], the image and the row that is read will stand.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from csp.flags import Parser

if TYPE_CHECKING:
    from csp.models.asking import LisaSegmenter

QUERY = "the red ball"
PICTURE = (480, 640)
GB = 1e9


@dataclass(frozen=True)
class Inspection:
    """A folder in plain values. `sizes` by part; `weights` what was found and not found; `check` the self-check;
    `memory` rows in bytes; `devices` the memory of this machine in bytes; `problems` why it would not load.
    """

    name: str
    folder: str
    sizes: dict[str, str] = field(default_factory=dict)
    weights: dict[str, Any] = field(default_factory=dict)
    check: dict[str, Any] = field(default_factory=dict)
    memory: tuple[dict[str, Any], ...] = ()
    devices: dict[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


def inspect(name: str | Path, clip: str | Path | None = None, sam: str | Path | None = None) -> Inspection:
    """Look at a model by name, folder or hub id. What would not load is a problem in the answer.

    Raises ValueError where there is no such model, or its config.json does not describe one.
    """
    from csp.checkpoints import find, load
    from csp.models.decoders import decoder_config
    from csp.models.sa2va import is_sa2va, text_config
    from csp.models.weights import LoadReport, read_json

    folder = find(name)
    config = read_json(folder / "config.json")
    text_config(config) if is_sa2va(config) else decoder_config(config)
    report = LoadReport(str(folder), strict=False)
    problems: list[str] = []
    model = None
    try:
        model = load(name, clip, sam, instances=False, device="meta", report=report)
    except ValueError as error:
        problems.append(str(error))
    problems += report.problems
    problems += [f"{len(found)} tensors {what}" for what, found in _lacking(report) if found]
    weights = {
        "tensors": dict(report.tensors),
        "stored as": dict(report.dtypes),
        "missing": list(report.missing),
        "of another shape": list(report.wrong),
        "unexpected": list(report.unexpected),
        "left out": len(report.dropped),
    }
    found = Inspection(str(name), str(folder), weights=weights, devices=_devices(), notes=tuple(report.notes))
    sizes, check, memory = ({}, {}, ()) if model is None else (_sizes(model, folder), {}, _memory(model))
    if model is not None:
        try:
            check = _check(model)
        except ValueError as error:
            problems.append(str(error))
    return Inspection(**vars(found) | {"sizes": sizes, "check": check, "memory": memory, "problems": tuple(problems)})


def _lacking(report: Any) -> tuple[tuple[str, list[str]], ...]:
    return ("are missing", report.missing), ("have another shape", report.wrong)


def _sizes(model: LisaSegmenter, folder: Path) -> dict[str, str]:
    config = model.llm.config
    yolo = sorted((folder / "yolo").glob("*.yaml"))
    heads = f"{config.num_attention_heads} heads"
    if config.num_key_value_heads != config.num_attention_heads:
        heads += f" ({config.num_key_value_heads} of keys)"
    return {
        "decoder": f"{model.L} layers of width {config.hidden_size}, MLP {config.intermediate_size}, {heads}, "
        f"{config.vocab_size} rows, {config.max_position_embeddings} positions, eps {config.rms_norm_eps:g}",
        "vision": model.clip.describe(),
        "projector": _widths(model.projector),
        "text_hidden_fcs": _widths(model.text_hidden_fcs),
        "sam": f"{model.mask_head.describe()}, prompts of {_widths(model.text_hidden_fcs).rpartition(' ')[2]}",
        "lm_head": "there: it can write answers" if model.lm_head is not None else "none: masks only",
        "instances": yolo[0].stem if yolo else "none: no Seg-First without instances=",
    }


def _widths(module: Any) -> str:
    from torch import nn

    linears: list[Any] = [part for part in module.modules() if isinstance(part, nn.Linear)]
    return " -> ".join(str(width) for width in (linears[0].in_features, *(linear.out_features for linear in linears)))


def _check(model: LisaSegmenter) -> dict[str, Any]:
    """Where a query would put everything, by the code that will put it there."""
    from csp.trace import Box

    prompt = model.prompter(QUERY, model.answer, model.seg_row)
    H, W = PICTURE
    views = model.clip.views(H, W)
    crop, tiles = (views[0].crop, ()) if len(views) == 1 else (Box(0, 0, W, H), views)
    layout = model.layout(prompt, crop, tiles=tiles)
    after = (*prompt.usr, *prompt.out)
    read = [slot - layout.N_sys - layout.N for slot in layout.I_seg]
    names = [prompt.words[at] if at < len(prompt.words) else "[SEG]" for at in read]
    x0, y0, x1, y1 = crop
    return {
        "query": QUERY,
        "[SEG] id": model.prompter.seg_id,
        "sequence": layout.T,
        "image slots": [layout.N_sys, layout.N_sys + layout.N - 1],
        "read-out slots": list(layout.I_seg),
        "read-out tokens": names,
        "[SEG] slots": [layout.N_sys + layout.N + i for i, token in enumerate(after) if token == model.prompter.seg_id],
        "crop": [round(value, 1) for value in crop],
        "picture": [W, H],
        "seen": round((x1 - x0) * (y1 - y0) / (W * H), 4),
        "tiles": len(tiles),
    }


def _memory(model: LisaSegmenter) -> tuple[dict[str, Any], ...]:
    from csp.models.footprint import footprint

    kinds = (("float32", None), ("bfloat16", None), ("float16", None), ("float16", "8bit"), ("float16", "4bit"))
    rows = [footprint(model, dtype, how, offload) for dtype, how in kinds for offload in (False, True)]
    return tuple(asdict(row) | {"peak": row.peak} for row in rows)


def _devices() -> dict[str, int]:
    """Memory of this machine in bytes: of the CPU what is free now, of a GPU all of it."""
    import torch

    out: dict[str, int] = {}
    meminfo = Path("/proc/meminfo")
    if meminfo.is_file():
        lines = dict(line.split(":", 1) for line in meminfo.read_text().splitlines() if ":" in line)
        out["cpu"] = int(lines.get("MemAvailable", "0 kB").split()[0]) * 1024
    for i in range(torch.cuda.device_count()):
        out[f"cuda:{i}"] = torch.cuda.get_device_properties(i).total_memory
    return out


def report(found: Inspection) -> str:
    """The inspection as text."""
    lines = [f"{found.name}  ({found.folder})", ""]
    lines += [f"{part:16} {words}" for part, words in found.sizes.items()]
    tensors = found.weights["tensors"]
    stored = ", ".join(f"{n} {kind}" for kind, n in found.weights["stored as"].items())
    lines += ["", f"{'tensors':16} {sum(tensors.values())} ({stored}): " + ", ".join(f"{p} {n}" for p, n in tensors.items())]
    for what in ("missing", "of another shape", "unexpected"):
        names = found.weights[what]
        lines.append(f"{what:16} " + (f"{len(names)}: {_some(names)}" if names else "none"))
    if found.weights["left out"]:
        lines.append(f"{'left out':16} {found.weights['left out']} (rotary tables, position ids, a video's memory: never used)")
    lines += [f"{'note':16} {note}" for note in found.notes]
    if found.check:
        lines += ["", *_checked(found.check)]
    if found.memory:
        lines += ["", *_table(found)]
    lines += [""] + [f"PROBLEM: {problem}" for problem in found.problems] if found.problems else ["", "It would load."]
    return "\n".join(lines)


def _some(names: Sequence[str], most: int = 8) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more (--json has all)" if len(names) > most else "")


def _checked(check: dict[str, Any]) -> list[str]:
    first, last = check["image slots"]
    W, H = check["picture"]
    x0, y0, x1, y1 = check["crop"]
    rows = ", ".join(f"slot {s} ({t!r})" for s, t in zip(check["read-out slots"], check["read-out tokens"], strict=True))
    return [
        f"asked for {check['query']!r}: a sequence of {check['sequence']} tokens",
        f"{'[SEG]':16} id {check['[SEG] id']}, in slot {', '.join(map(str, check['[SEG] slots'])) or 'none (cut)'}",
        f"{'image':16} slots {first} to {last}",
        f"{'mask made of':16} {rows}",
        f"{'crop':16} of a {W} x {H} picture the tower sees x {x0:g} to {x1:g}, y {y0:g} to {y1:g} ({check['seen']:.0%})",
    ]


def _table(found: Inspection) -> list[str]:
    here = ", ".join(f"{device} {size / GB:.1f}" for device, size in found.devices.items())
    lines = [f"memory in GB, computed from shapes, measured nowhere (this machine: {here})"]
    lines.append(f"{'':24} {'weights':>8} {'peak':>8}   {'SAM offloaded: weights':>22} {'peak':>8}")
    for resident, offloaded in zip(found.memory[::2], found.memory[1::2], strict=True):
        label = resident["dtype"] + (f", layers in {resident['quantize']}" if resident["quantize"] else "")
        fits = [device for device, size in found.devices.items() if resident["peak"] < size]
        lines.append(
            f"{label:24} {resident['weights'] / GB:8.2f} {resident['peak'] / GB:8.2f}   "
            f"{offloaded['weights'] / GB:22.2f} {offloaded['peak'] / GB:8.2f}   "
            + (f"fits {', '.join(fits)}" if fits else "fits nothing here")
        )
    return lines


def parser() -> Parser:
    made = Parser(prog="python -m csp.inspect", description="What a model folder holds, before anything slow.")
    made.add_argument("model", help="park, a folder or a hub id")
    made.add_argument("--clip", help="the vision tower's folder or hub id, if not the one that config.json names")
    made.add_argument("--sam", help="vit_h, vit_l, vit_b or a JSON file of sizes")
    made.add_argument("--json", action="store_true", help="everything as JSON, sizes in bytes")
    return made


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; returns 0 for a model that would load, 1 for one that would not, 2 for a wrong request."""
    try:
        args = parser().parse_args(argv)
        found = inspect(args.model, args.clip, args.sam)
    except (ValueError, OSError) as error:
        print(f"inspect: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    try:
        print(json.dumps(asdict(found), indent=1) if args.json else report(found), flush=True)
    except BrokenPipeError:  # a reader that has seen enough, such as head
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 1 if found.problems else 0


if __name__ == "__main__":
    sys.exit(main())
