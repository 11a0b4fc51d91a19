"""``force``: which patches a stage must keep or drop, whatever it chose itself."""

from __future__ import annotations

from collections.abc import Sequence

from csp.checks import check_integer, check_orders, shown
from csp.tokens import ImageTokens, TokenSequence, restore
from csp.types import Force


def forces(force: Force | Sequence[Force | None] | None, n: int) -> list[Force | None]:
    """What each of ``n`` runs is forced to: one for all, or a list of one each. ValueError for a list of another length."""
    if not isinstance(force, list | tuple):
        return [force] * n  # type: ignore[list-item]
    if len(force) != n:
        raise ValueError(f"force is one for all queries or a list of one each: got {len(force)} for {n}")
    return list(force)


def check_force(force: Force | None, names: Sequence[str], N: int) -> dict[str, dict[str, list[int]]]:
    """``force`` with plain lists, ValueError where it names a stage or patch that does not exist, or keeps
    what it drops.
    """
    checked: dict[str, dict[str, list[int]]] = {}
    for name, orders in check_orders(force).items():
        if name not in names:
            raise ValueError(f"force names the stage {shown(name)}, this run has {', '.join(names)}")
        lists = {
            order: sorted({check_integer(f"force[{name!r}][{order!r}]", p, 0, N - 1) for p in orders.get(order, ())})
            for order in ("keep", "drop")
        }
        if both := set(lists["keep"]) & set(lists["drop"]):
            raise ValueError(f"force keeps and drops the same patches {sorted(both)}; name each once")
        checked[name] = lists
    return checked


def apply_force(
    image: ImageTokens, orders: dict[str, list[int]], start: TokenSequence, now: TokenSequence
) -> tuple[ImageTokens, dict[str, list[int]]]:
    """``image`` without the dropped patches and with the kept ones added, and what this changed.

    A token belongs to the patch whose slot it has. Added tokens come with their present state if the last
    stage had them, else as they entered the decoder (Eq. 7), at their own position. A block in ascending
    order stays so.
    """
    N_sys = start.layout.N_sys
    is_patch = (image.source.sum(dim=1) > 0).tolist()
    patch_of = [slot - N_sys if real else None for slot, real in zip(image.slots.tolist(), is_patch, strict=True)]
    dropped = [patch for patch in orders["drop"] if patch in patch_of]
    added = [patch for patch in orders["keep"] if patch not in patch_of]
    ascending = bool((image.slots.diff() > 0).all())
    image = image.take([row for row, patch in enumerate(patch_of) if patch not in dropped])
    if added:
        known = now.image.take([r for r, s in enumerate(now.image.slots.tolist()) if now.source[r, s - N_sys] == 1])
        image = image.append(restore(start.image, known).take(added))
        if ascending:
            image = image.take(image.slots.argsort())
    return image, {"keep": added, "drop": dropped}
