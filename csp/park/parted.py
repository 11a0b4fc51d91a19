"""Lists of phrases, written as running text."""

from __future__ import annotations


def parted(text: str) -> tuple[str, ...]:
    """Phrases that semicolons part."""
    return tuple(" ".join(idea.split()) for idea in text.split(";") if idea.strip())
