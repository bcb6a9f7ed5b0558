"""Clusters made of nothing but their types: drawn by Hypothesis, or filled with words to look for.

A field that is added to the model is in both at once.
"""

import dataclasses
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from itertools import count
from typing import Any

import hypothesis.strategies as st

from godwit.core.model import (
    Cluster,
    CpuAnswer,
    DiskSighting,
    Host,
    HostName,
    Knowledge,
    PathKey,
    PathKnowledge,
    Vm,
    VmId,
    VmKnowledge,
)
from godwit.core.rules import KINDS

__all__ = ["DECLARED", "clusters", "filled", "text_fields"]

#: What a site may declare: the others ask a checker that is part of the program.
DECLARED = sorted(KINDS.keys() - {"fits", "movable"})

_SOME = {"max_size": 2}


def _plain(hint: Any) -> Any:
    """Look through ``NewType``."""
    while hasattr(hint, "__supertype__"):
        hint = hint.__supertype__
    return hint


def drawn(hint: Any) -> st.SearchStrategy[Any]:  # noqa: PLR0911 - one a kind of type
    """Values of a type, as small as can be."""
    hint = _plain(hint)
    origin, inside = typing.get_origin(hint), typing.get_args(hint)
    if origin in {types.UnionType, typing.Union}:
        return st.one_of(*(st.none() if one is types.NoneType else drawn(one) for one in inside))
    if origin is tuple:
        return st.lists(drawn(inside[0]), **_SOME).map(tuple)
    if origin is frozenset:
        return st.frozensets(drawn(inside[0]), **_SOME)
    if origin is not None and issubclass(origin, Mapping):
        return st.dictionaries(drawn(inside[0]), drawn(inside[1]), **_SOME)
    if dataclasses.is_dataclass(hint):
        hints = typing.get_type_hints(hint)
        return st.builds(
            hint, **{one.name: drawn(hints[one.name]) for one in dataclasses.fields(hint)}
        )
    if issubclass(hint, Enum):
        return st.sampled_from(hint)
    return _SIMPLE[hint]


_SIMPLE: dict[type, st.SearchStrategy[Any]] = {
    str: st.text(max_size=6),
    bool: st.booleans(),
    int: st.integers(min_value=0, max_value=2**60),
    float: st.floats(min_value=0.0, allow_nan=False, allow_infinity=False).map(lambda x: x or 0.25),
}


@st.composite
def clusters(draw: st.DrawFn) -> Cluster:
    """Clusters that hang together, with anything in them."""
    names = sorted(draw(st.sets(st.text(min_size=1, max_size=6), min_size=1, max_size=3)))
    hosts = []
    for name in names:
        host = draw(drawn(Host))
        hosts.append(
            dataclasses.replace(host, record=dataclasses.replace(host.record, name=HostName(name)))
        )
    places = st.sampled_from([HostName(name) for name in names])
    vms = [
        dataclasses.replace(draw(drawn(Vm)), id=VmId(vm_id), host=draw(places))
        for vm_id in draw(st.lists(st.text(min_size=1, max_size=6), max_size=3, unique=True))
    ]
    other = draw(
        st.fixed_dictionaries(
            {
                one.name: drawn(typing.get_type_hints(Cluster)[one.name])
                for one in dataclasses.fields(Cluster)
                if one.name in {"generation", "taken_at_s", "groups"}
            }
        )
    )
    ids = st.sampled_from([vm.id for vm in vms] or [VmId("gone")])
    rules = st.one_of(*(drawn(KINDS[kind]) for kind in DECLARED))
    known = draw(st.lists(drawn(VmKnowledge), unique_by=lambda one: one.vm, **_SOME))
    return Cluster(
        **other,
        hosts=tuple(hosts),
        rules=tuple(draw(st.lists(rules, max_size=2))),
        vms=tuple(sorted(vms, key=lambda one: (one.name, one.host))),
        reservations=tuple(
            dataclasses.replace(one, host=draw(places))
            for one in draw(drawn(typing.get_type_hints(Cluster)["reservations"]))
        ),
        cpu_answers=draw(st.dictionaries(st.tuples(ids, places), drawn(CpuAnswer), max_size=4)),
        disk_sightings=draw(
            st.dictionaries(
                st.tuples(ids, st.sampled_from(["vda", "vdb"]), places),
                st.sampled_from(DiskSighting),
                max_size=6,
            )
        ),
        known=Knowledge(
            vms={one.vm: one for one in known},
            paths=draw(st.dictionaries(drawn(PathKey), drawn(PathKnowledge), **_SOME)),
            calibration=draw(drawn(typing.get_type_hints(Knowledge)["calibration"])),
        ),
    )


def filled(  # noqa: PLR0911 - one a kind of type
    hint: Any, word: Callable[[str], str], where: str = ""
) -> Any:
    """A value of a type in which nothing is empty; ``word`` makes each text, told its field."""
    hint = _plain(hint)
    origin, inside = typing.get_origin(hint), typing.get_args(hint)
    if origin in {types.UnionType, typing.Union}:
        return filled(next(one for one in inside if one is not types.NoneType), word, where)
    if origin is tuple and inside[-1] is not Ellipsis:
        return tuple(filled(one, word, where) for one in inside)
    if origin in {tuple, frozenset}:
        return origin(filled(inside[0], word, where) for _ in range(2 if origin is tuple else 1))
    if origin is not None and issubclass(origin, Mapping):
        return {filled(inside[0], word, where): filled(inside[1], word, where)}
    if dataclasses.is_dataclass(hint):
        assert isinstance(hint, type)
        hints = typing.get_type_hints(hint)
        return hint(
            **{
                one.name: filled(hints[one.name], word, f"{hint.__name__}.{one.name}")
                for one in dataclasses.fields(hint)
            }
        )
    if issubclass(hint, Enum):
        return next(iter(hint))
    return word(where) if hint is str else hint(1)


def text_fields(hint: Any, seen: frozenset[Any] = frozenset()) -> Iterator[str]:
    """Every field with a text of its own in what a type is made of, as ``Class.field``."""
    hint = _plain(hint)
    if dataclasses.is_dataclass(hint) and hint not in seen:
        assert isinstance(hint, type)
        for name, inside in typing.get_type_hints(hint).items():
            if _holds_text(inside):
                yield f"{hint.__name__}.{name}"
            yield from text_fields(inside, seen | {hint})
    for one in typing.get_args(hint):
        yield from text_fields(one, seen)


def _holds_text(hint: Any) -> bool:
    hint = _plain(hint)
    return hint is str or any(_holds_text(one) for one in typing.get_args(hint))


def numbered(prefix: str) -> Callable[[str], str]:
    """Words that occur nowhere else, one after the other."""
    numbers = count(100)
    return lambda _: f"{prefix}{next(numbers)}"
