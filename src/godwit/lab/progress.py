"""How slow work tells a person that it goes on: one callable that takes a line of text."""

from collections.abc import Callable

__all__ = ["Say", "silent"]

Say = Callable[[str], None]


def silent(_line: str) -> None:
    """Say nothing; for callers that show no progress."""
