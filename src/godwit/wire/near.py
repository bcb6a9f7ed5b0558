"""Names that look like the one that was not found."""

from collections.abc import Iterable
from difflib import get_close_matches

__all__ = ["did_you_mean", "near_matches"]


def near_matches(name: str, known: Iterable[str]) -> list[str]:
    """Return up to three known names that look like ``name``, the nearest first."""
    return get_close_matches(name, sorted(set(known)), n=3, cutoff=0.6)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Say it as a remedy: the near names, else all of them when they are few; else nothing."""
    names = sorted(set(known))
    near = near_matches(name, names)
    if near:
        return f"Did you mean {' or '.join(near)}?"
    if 0 < len(names) <= 8:
        return f"There are: {', '.join(names)}."
    return ""
