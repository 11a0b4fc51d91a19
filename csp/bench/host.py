"""``python -m csp.bench host``: Sa2VA at its full size with random weights, from a picture to a mask: memory and time, all
image tokens and CSP side by side.

Nothing is fetched: parts are transformers' own at the sizes of the public base models, their weights are drawn. What a mask
shows is then noise; what it takes is not. A second query on the same picture finds the towers' work done.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from csp.bench.timing import machine
from csp.checks import check_integer

HELP = "Sa2VA at full size with random weights: memory, and time from a picture to a mask"
STATUS = Path("/proc/self/status")
PICTURE = (480, 640)
QUERIES = ("the red ball", "the dog that is looking at the camera")
GOALS = {"memory": 6e9, "first": 15.0, "second": 5.0}
SIZES: dict[str, dict[str, int]] = {
    "1B": {"hidden_size": 896, "intermediate_size": 4864, "num_hidden_layers": 24, "num_attention_heads": 14},
    "4B": {"hidden_size": 2048, "intermediate_size": 11008, "num_hidden_layers": 36, "num_attention_heads": 16},
}
VOCABULARY = 151679
VISION: dict[str, Any] = {
    "hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24, "num_attention_heads": 16, "image_size": 448
}  # fmt: skip
SAM: Any = "hiera_l"
_SPECIAL = (
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<img>", "</img>", "<IMG_CONTEXT>", "<quad>", "</quad>", "<ref>", "</ref>",
    "<box>", "</box>", "[SEG]", "<p>", "</p>", "<vp>", "</vp>",
)  # fmt: skip


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--size", choices=SIZES, default="1B", help="which of the published sizes (default: 1B)")
    parser.add_argument("--dtype", help="float32, bfloat16 or float16 (default: what the page takes on this machine)")
    parser.add_argument("--backend", help="plain, onednn or compiled (default: what the page takes on this machine)")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1, ... (default: cpu)")
    parser.add_argument("--max-tiles", type=int, default=1, help="tiles that a picture is cut into at most (default: 1)")
    parser.add_argument("--rounds", type=int, default=3, help="new pictures, each asked twice with each method (default: 3)")


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Seconds of first and second queries by method, and bytes. Raises ValueError for what cannot be loaded."""
    import numpy as np
    import torch

    from csp.checkpoints import on_cpu, pick_device, pick_dtype
    from csp.methods import CSP, METHODS

    check_integer("--rounds", args.rounds, 1)
    check_integer("--max-tiles", args.max_tiles, 1, 12)
    device = pick_device(args.device)
    light = on_cpu() if device.type == "cpu" else {"dtype": "bfloat16", "backend": "plain"}
    kind = pick_dtype(args.dtype or light["dtype"], device)
    backend = args.backend or ("plain" if args.dtype else light["backend"])
    model = random_model(args.size, device, kind, backend, args.max_tiles)
    loaded = resident("VmRSS")
    methods = {"dense": METHODS["full"](), "CSP": CSP()}
    rng = np.random.default_rng(0)
    seconds: dict[str, dict[str, list[float]]] = {name: {"first": [], "second": []} for name in methods}
    cpu: dict[str, dict[str, list[float]]] = {name: {"first": [], "second": []} for name in methods}
    parts: dict[str, dict[str, float]] = {}
    n_avg = {}
    for _ in range(args.rounds + 1):
        for name, method in methods.items():
            picture = rng.integers(0, 256, (*PICTURE, 3), dtype=np.uint8)
            for which, query in zip(("first", "second"), QUERIES, strict=True):
                begin, spent = time.perf_counter(), time.process_time()
                result = model.segment(picture, query, method)
                seconds[name][which].append(time.perf_counter() - begin)
                cpu[name][which].append(time.process_time() - spent)
                parts[f"{name} {which}"] = dict(result.ms)
            n_avg[name] = result.cost.n_avg
    return {
        "size": args.size,
        "parameters": sum(_count(part) for part in parts_of(model)),
        "device": str(device),
        "dtype": str(kind).removeprefix("torch."),
        "backend": backend,
        "threads": torch.get_num_threads(),
        "max_tiles": args.max_tiles,
        "N": model.tokens(picture),
        "n_avg": n_avg,
        "n_text": result.trace.layout.N_text,
        # The first round warms up.
        "seconds": _after_warming(seconds),
        "cpu seconds": _after_warming(cpu),
        "ms of the last": parts,
        "memory": {"loaded": loaded, "peak": resident("VmHWM")},
    }


def _after_warming(times: dict[str, dict[str, list[float]]]) -> dict[str, dict[str, list[float]]]:
    return {name: {which: values[1:] for which, values in found.items()} for name, found in times.items()}


def random_model(size: str, device: Any, kind: Any, backend: str, max_tiles: int) -> Any:
    """A Sa2VA of this size, its weights drawn, as `csp.checkpoints.load` would assemble it."""
    import torch
    from torch import nn

    from csp.methods import resolve
    from csp.models.asking import LisaSegmenter
    from csp.models.backends import BACKENDS
    from csp.models.chat import ChatPrompt
    from csp.models.decoders import build_decoder, revive
    from csp.models.intern import InternTower, build_intern, intern_config
    from csp.models.sa2va import EMPTY_POINTS, PIXEL_MEAN, PIXEL_STD, build_projector, text_config
    from csp.models.sam2 import Sam2Head, build_sam2, sam2_sizes
    from csp.models.weights import on_meta

    llm_config = {"model_type": "qwen2", "num_key_value_heads": 2, "vocab_size": VOCABULARY, "rope_theta": 1e6, **SIZES[size]}
    llm = build_decoder(text_config({"llm_config": llm_config}))
    more = {"qkv_bias": True, "qk_normalization": False, "norm_type": "layer_norm"}
    tower = build_intern(intern_config(VISION | more))
    d = llm.config.hidden_size
    sizes = sam2_sizes(SAM)
    parts = {
        "llm": llm,
        "tower": tower,
        "projector": build_projector(tower.config, llm.config, 2),
        "fcs": on_meta(lambda: nn.Sequential(nn.Linear(d, d), nn.ReLU(), nn.Linear(d, sizes.hidden_dim))),
        "lm_head": on_meta(lambda: nn.Linear(d, VOCABULARY, bias=False)),
        "sam": build_sam2(sizes),
    }
    rng = torch.Generator(device).manual_seed(0)
    for part in parts.values():
        part.to_empty(device=device)
        part.requires_grad_(False)
        for name, weight in part.named_parameters():
            weight.data = torch.empty_like(weight, dtype=kind)
            if weight.ndim == 1 and name.endswith("weight"):
                weight.data.fill_(1)
            else:
                weight.data.normal_(0, 0.02, generator=rng)
        for name, buffer in part.named_buffers():
            if "positional_embedding" in name:
                buffer.normal_(generator=rng)
    revive(llm, device)
    with tempfile.TemporaryDirectory() as folder:
        prompter = ChatPrompt(write_tokenizer(Path(folder)), "qwen_chat")
    return LisaSegmenter(
        resolve,
        f"Sa2VA-{size} (random weights)",
        llm,
        InternTower(tower, max_tiles=max_tiles),
        parts["projector"],
        parts["fcs"],
        Sam2Head(parts["sam"], True, EMPTY_POINTS, PIXEL_MEAN, PIXEL_STD),
        prompter,
        seg_row="fed",
        lm_head=parts["lm_head"],
        layers=BACKENDS[backend](llm),
    )


def parts_of(model: Any) -> tuple[Any, ...]:
    """The modules that hold weights."""
    return model.llm, model.clip.model, model.projector, model.text_hidden_fcs, model.lm_head, model.mask_head.module


def write_tokenizer(folder: Path) -> Path:
    """A Qwen tokenizer that knows bytes and its special tokens: a query takes a token a letter, more than it would."""
    from tokenizers.pre_tokenizers import ByteLevel

    vocab = {letter: i for i, letter in enumerate(sorted(ByteLevel.alphabet()))}
    added = {token: len(vocab) + i for i, token in enumerate(_SPECIAL)}
    settings = {
        "tokenizer_class": "Qwen2Tokenizer",
        "eos_token": "<|im_end|>",
        "pad_token": "<|endoftext|>",
        "unk_token": "<|endoftext|>",
        "bos_token": None,
        "added_tokens_decoder": {str(i): {"content": token, "special": True} for token, i in added.items()},
    }
    (folder / "vocab.json").write_text(json.dumps(vocab), encoding="utf-8")
    (folder / "merges.txt").write_text("#version: 0.2\n", encoding="utf-8")
    (folder / "added_tokens.json").write_text(json.dumps(added), encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    return folder


def resident(what: str) -> int | None:
    """Bytes of this process in memory, now ("VmRSS") or at most ("VmHWM"), None where the system does not tell."""
    if not STATUS.exists():
        return None
    lines = dict(line.split(":", 1) for line in STATUS.read_text(encoding="ascii").splitlines() if ":" in line)
    return int(lines[what].split()[0]) * 1024


def _count(module: Any) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def report(found: dict[str, Any]) -> str:
    """Seconds by method against the goals, and where they went."""
    lines = [
        f"Sa2VA-{found['size']} with random weights, {found['parameters'] / 1e6:,.0f} M parameters in {found['dtype']}, layers "
        f"{found['backend']}, at most {found['max_tiles']} tiles: {found['N']} image tokens and {found['n_text']} of text",
        machine() + f"; {found['threads']} threads",
    ]
    for name, times in found["seconds"].items():
        first, second = (median(times[which]) for which in ("first", "second"))
        cores = {which: median(found["cpu seconds"][name][which]) for which in times}
        lines.append(
            f"{name:6} N_avg {found['n_avg'][name]:6.1f}   picture to mask {first:6.2f} s ({cores['first']:.2f} of a CPU's)   "
            f"second query {second:6.2f} s ({cores['second']:.2f})"
        )
    for name, ms in found["ms of the last"].items():
        lines.append(f"{name:13} " + ", ".join(f"{part} {spent / 1e3:.2f} s" for part, spent in ms.items() if spent >= 1))
    peak = found["memory"]["peak"]
    if peak is not None:
        lines.append(f"memory: {found['memory']['loaded'] / 1e9:.2f} GB when loaded, {peak / 1e9:.2f} GB at most")
        goals = {"memory": peak}
        for which in ("first", "second"):
            goals[which] = max(median(times[which]) for times in found["seconds"].values())
        met = {name: "met" if value <= GOALS[name] else "missed" for name, value in goals.items()}
        lines.append(
            f"goals: at most 6 GB {met['memory']}, picture to mask in 15 s {met['first']}, a second query in 5 s {met['second']}"
        )
    return "\n".join(lines)
