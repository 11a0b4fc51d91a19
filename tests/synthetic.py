"""Made-up results for tests that draw: a picture with a few shapes and a trace as each kind of plan would
leave it.
"""

from __future__ import annotations

import cv2
import numpy as np

from csp.trace import Tile
from csp.types import Box, Cost, Layout, Request, Result, StageRecord, Trace

TARGET = (0.66, 0.62, 0.11)  # centre x, centre y and radius of the thing asked for, as shares of the picture


def picture(height: int = 448, width: int = 448) -> tuple[np.ndarray, np.ndarray]:
    """A meadow with three balls, a bench and a tree, uint8 RGB, and the mask of the red ball."""
    image = np.zeros((height, width, 3), np.uint8)
    t = np.linspace(0, 1, height)[:, None]
    image[:] = ((1 - t) * (178, 214, 240) + t * (126, 178, 92)).astype(np.uint8)[:, None]
    s = min(height, width)

    def at(x: float, y: float) -> tuple[int, int]:
        return int(x * width), int(y * height)

    cv2.rectangle(image, at(0.12, 0.25), at(0.16, 0.62), (110, 76, 48), -1)
    cv2.circle(image, at(0.14, 0.22), int(0.13 * s), (60, 124, 62), -1, cv2.LINE_AA)
    cv2.rectangle(image, at(0.28, 0.55), at(0.52, 0.60), (150, 104, 62), -1)
    cv2.rectangle(image, at(0.30, 0.60), at(0.32, 0.70), (120, 80, 50), -1)
    cv2.rectangle(image, at(0.48, 0.60), at(0.50, 0.70), (120, 80, 50), -1)
    cv2.circle(image, at(0.85, 0.72), int(0.07 * s), (52, 96, 190), -1, cv2.LINE_AA)
    cv2.circle(image, at(0.40, 0.84), int(0.06 * s), (240, 200, 60), -1, cv2.LINE_AA)
    cv2.circle(image, at(TARGET[0], TARGET[1]), int(TARGET[2] * s), (206, 52, 44), -1, cv2.LINE_AA)
    mask = np.zeros((height, width), np.uint8)
    cv2.circle(mask, at(TARGET[0], TARGET[1]), int(TARGET[2] * s), 1, -1)
    return image, mask.astype(bool)


def _one_hot(patches: np.ndarray, N: int) -> np.ndarray:
    source = np.zeros((len(patches), N), np.float32)
    source[np.arange(len(patches)), patches] = 1
    return source


def result(
    method: str = "csp",
    *,
    size: tuple[int, int] = (448, 448),
    side: int = 16,
    L: int = 32,
    query: str = "the red ball",
    knobs: dict | None = None,
    seed: int = 0,
    empty: bool = False,
    tiles: tuple[int, int] | None = None,
) -> Result:
    """A result of "csp", "full", "fastv", "pyramiddrop" or "visionzip" (merged tokens and a kept [CLS]); of a picture
    in rows and columns of tiles with a thumbnail where `tiles` are given.
    """
    rng = np.random.default_rng(seed)
    image, mask = picture(*size)
    H, W = size
    N, N_sys = side * side, 3
    crop = Box((W - min(H, W)) / 2, (H - min(H, W)) / 2, (W + min(H, W)) / 2, (H + min(H, W)) / 2)
    words = len(query.split()) + 2
    views: tuple[Tile, ...] = ()
    if tiles is not None:
        down, across = tiles
        y, x = H / down, W / across
        crop = Box(0, 0, W, H)
        boxes = [Box(c * x, r * y, (c + 1) * x, (r + 1) * y) for r in range(down) for c in range(across)]
        views = (*(Tile(box, (side, side)) for box in boxes), Tile(crop, (side, side), True))
        N *= len(views)
    layout = Layout(N_sys, N, words, 3, (N // side, side), crop, (N_sys + N + words - 1,), tiles=views)

    corners = np.array([layout.patch_box(patch) for patch in range(N)])
    px, py = corners[:, 0::2].mean(axis=1), corners[:, 1::2].mean(axis=1)
    distance = np.hypot(px - TARGET[0] * W, py - TARGET[1] * H) / min(H, W)
    focus = np.exp(-((distance / 0.13) ** 2))

    def score(sharp: float) -> np.ndarray:
        raw = (1 - sharp) * rng.random(N) * 0.2 + sharp * focus + 0.01
        return (raw / raw.sum() * 0.6).astype(np.float32)

    ranked = score(0.9)
    top = np.argsort(-ranked)

    def stage(name, first, layers, patches, scored=None, score_name="", **extra) -> StageRecord:
        patches = np.sort(patches)
        ids = patches + N_sys
        return StageRecord(name, first, layers, _one_hot(patches, N), ids, ids, scored, score_name, **extra)

    if method == "csp":
        k = {"Lc": 8, "Nc": 64, "Ls": 6, "Np": 16, "cluster": "seg-first"} | (knobs or {})
        clusters = np.sort(rng.choice(N, k["Nc"], replace=False))
        stages = (
            stage("clustering", 0, k["Lc"], clusters, instances=5),
            stage("scattering", k["Lc"], k["Ls"], np.arange(N)),
            stage("pruning", k["Lc"] + k["Ls"], L - k["Lc"] - k["Ls"], top[: k["Np"]], ranked, "A_SEG"),
        )
    elif method == "full":
        k, stages = {}, (stage("full", 0, L, np.arange(N)),)
    elif method == "fastv":
        k = {"K": 3, "keep": 56}
        stages = (stage("full", 0, 3, np.arange(N)), stage("keep", 3, L - 3, top[:56], ranked, "last row"))
    elif method == "pyramiddrop":
        k, q = {"ratio": 0.5}, L // 4
        cuts = [np.arange(N)] + [top[: N >> i] for i in (1, 2, 3)]
        stages = tuple(
            stage(f"drop {i}" if i else "full", i * q, q, p, ranked if i else None, "A")
            for i, p in enumerate(cuts)
        )
    elif method == "visionzip":
        k = {"dominant": 24, "contextual": 8}
        base = stage("zip", 0, L, top[:24])
        merged = np.zeros((9, N), np.float32)  # a kept [CLS], then eight merged groups
        for i in range(8):
            merged[i + 1, rng.choice(top[24:], 6, replace=False)] = 1 / 6
        slots = np.concatenate([base.slots, [N_sys], N_sys + merged[1:].argmax(1)])
        stages = (
            StageRecord("zip", 0, L, np.vstack([base.source, merged]), slots, np.arange(len(slots)) + N_sys),
        )
    else:
        raise ValueError(method)

    A_SEG = np.full((L, N), np.nan, np.float32)
    for record in stages:
        for layer in record.layers:
            there = record.patches
            A_SEG[layer, there] = score(min(1.0, 0.2 + layer / L))[there]
    n_per_layer = tuple(record.n for record in stages for _ in record.layers)
    n_avg = float(np.mean(n_per_layer))
    rank_layer = 13 if method == "csp" else None
    heads = {13: rng.random((4, N)).astype(np.float16)} if method == "csp" else {}
    trace = Trace(
        layout,
        stages,
        A_SEG,
        rng.random((L, words)).astype(np.float32),
        rank_layer,
        heads,
        n_per_layer,
        n_avg,
    )
    macs = sum(int((n + layout.N_text) * 4e5) for n in n_per_layer)
    cost = Cost(n_per_layer, n_avg, macs, 2 * macs, 24 * L * 128**2 * (n_avg + 64) / 1e12)
    low = cv2.resize(mask.astype(np.float32), (112, 112), interpolation=cv2.INTER_AREA) * 8 - 4
    logits = (np.full_like(low, -6) if empty else low)[None]
    notes = ("empty mask",) if empty else ()
    return Result(
        Request(image, query, method, k, seed, "park"),
        logits,
        np.array([0.9], np.float32),
        rng.random((1, 128)).astype(np.float32),
        trace,
        cost,
        sam_input=(112, 112) if H == W else (round(112 * H / max(H, W)), round(112 * W / max(H, W))),
        sam_size=112,
        ms={"vision": 21.0, "select": 1.5, "decoder": 34.0, "mask": 12.0},
        notes=notes,
        words=(*query.split(), "ASSISTANT", ":"),
    )
