"""Core values to JSON text and back. Events are known by the name of their class.

The core's plain dataclasses are read by pydantic here, so that the core needs no pydantic. A field
that is added later with a default leaves old rows readable; a renamed one does not.
"""

import json
from collections.abc import Mapping
from typing import Any, Final, TypeVar, cast, get_args

from pydantic import TypeAdapter, ValidationError

from godwit.core.errors import GodwitError
from godwit.core.migration import Accepted, Event

__all__ = ["EVENT_TYPES", "decode", "decode_event", "encode"]

T = TypeVar("T")

#: Every event of the union, by name. Named in the journal for ever: never rename one.
EVENT_TYPES: Final[Mapping[str, type[Event]]] = {one.__name__: one for one in get_args(Event)}


#: Building one takes milliseconds, and most commands need one or two of them.
_adapters: Final[dict[type, TypeAdapter[Any]]] = {}


def _adapter(kind: type) -> TypeAdapter[Any]:
    if kind not in _adapters:
        _adapters[kind] = TypeAdapter(kind)
    return _adapters[kind]


def encode(value: object) -> str:
    """Write a value of the core as JSON text. An infinite number stays one."""
    plain = _adapter(type(value)).dump_python(value, mode="json")
    return json.dumps(plain, separators=(",", ":"))


def decode(kind: type[T], payload: str) -> T:
    """Read a value of that class.

    Raises: GodwitError when the text was damaged or written by a Godwit with other values.
    """
    try:
        return cast("T", _adapter(kind).validate_json(payload))
    except ValidationError as failure:
        raise GodwitError(
            f"a stored {kind.__name__} can't be read",
            evidence=f"{failure.error_count()} fields; first: {_first(failure)}",
            remedy="Use the Godwit version that wrote this store, or restore a backup of it.",
        ) from failure


def decode_event(kind: str, payload: str) -> Accepted | Event:
    """Read one entry of the journal.

    Raises: GodwitError when there is no event of that name, or when it can't be read.
    """
    if kind == Accepted.__name__:
        return decode(Accepted, payload)
    if kind not in EVENT_TYPES:
        raise GodwitError(
            f"the journal holds an event named {kind!r}, which this Godwit does not know",
            remedy="Use the Godwit version that wrote this store.",
        )
    return decode(EVENT_TYPES[kind], payload)


def _first(failure: ValidationError) -> str:
    error = failure.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in error["loc"]) or "the whole"
    return f"{where}: {error['msg']}"
