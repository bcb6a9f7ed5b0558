"""Goal: the stream is parsed the same however the network cuts it."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from godwit import wire
from godwit.client.stream import read_notices

_TEXTS = ("plain", "ünïcode \u2028 and \x85 inside", "line\nbreak")
_NOTICES = [
    wire.Notice(number=number, at_s=1.0, kind="host", host="kvm1", text=text)
    for number, text in enumerate(_TEXTS, start=1)
]
_STREAM = b": connected\n\n" + b": heartbeat\n\n".join(
    f"id: {one.number}\nevent: host\ndata: {one.model_dump_json()}\n\n".encode() for one in _NOTICES
)


@given(st.lists(st.integers(min_value=0, max_value=len(_STREAM)), max_size=20))
def test_pieces_of_any_size_give_the_same_notices(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(_STREAM)]
    pieces = [_STREAM[a:b] for a, b in pairwise(edges)]
    assert list(read_notices(pieces)) == _NOTICES


def test_an_event_that_was_cut_off_is_not_taken_for_whole() -> None:
    assert list(read_notices([_STREAM[:-1]])) == _NOTICES[:-1]


def test_windows_line_ends_and_unknown_fields_are_understood() -> None:
    text = f"retry: 5\r\ndata: {_NOTICES[0].model_dump_json()}\r\n\r\n"
    assert list(read_notices([text.encode()])) == _NOTICES[:1]
