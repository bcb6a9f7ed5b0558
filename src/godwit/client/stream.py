"""Server-sent events, parsed: from pieces of bytes to notices."""

from collections.abc import Iterable, Iterator

from godwit.wire import Notice

__all__ = ["read_notices"]


def read_notices(pieces: Iterable[bytes]) -> Iterator[Notice]:
    """Yield the notices of a stream; comments and unknown fields are passed over.

    Raises: pydantic's ValidationError when an event is not a notice.
    """
    data: list[str] = []
    for line in _lines(pieces):
        if not line:
            if data:
                yield Notice.model_validate_json("\n".join(data))
            data = []
            continue
        field, _, value = line.partition(":")
        if field == "data":
            data.append(value.removeprefix(" "))


def _lines(pieces: Iterable[bytes]) -> Iterator[str]:
    # Only these line ends count in the format. str.splitlines knows more of them, and they may
    # stand inside JSON texts.
    rest = b""
    for piece in pieces:
        *whole, rest = (rest + piece).split(b"\n")
        for line in whole:
            yield line.removesuffix(b"\r").decode("utf-8", errors="replace")
