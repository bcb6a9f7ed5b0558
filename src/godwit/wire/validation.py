"""What pydantic complains of, as one sentence for a person."""

from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

__all__ = ["complaint_of", "first_complaint"]


def first_complaint(error: ValidationError) -> tuple[str, str]:
    """Return the key and the sentence of the first complaint."""
    first = error.errors(include_url=False)[0]
    return _key(first["loc"]), _sentence(first["msg"], first.get("input"))


def complaint_of(errors: Sequence[Any]) -> str:
    """Say all complaints of a request, each with its key; ``errors`` are pydantic's own."""
    return "; ".join(
        f"{_key(one['loc'])}: {_sentence(one['msg'], one.get('input'))}" for one in errors
    )


def _key(loc: Sequence[str | int]) -> str:
    return ".".join(str(part) for part in loc) or "the value"


def _sentence(msg: str, given: object) -> str:
    says = msg.removeprefix("Value error, ")
    if isinstance(given, str | int | float | bool):
        return f"{says} (got {given!r})"
    return says
