"""A cluster with nothing in it that says whose it is: no name, address, label, id or free text.

What a plan depends on stays: numbers, kinds, and which names are the same. New names sort as the
old ones did, so the planner breaks its ties the same way. Times and sizes are not changed.
A text that stands in no table below is replaced: what is forgotten here can't leak.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import lru_cache
from ipaddress import IPv4Address
from typing import Any, Final, TypeVar, cast

from godwit.core.model import Cluster
from godwit.core.rules import HOST
from godwit.formats.answers import Answers, Row, rows_of

__all__ = ["anonymise"]

T = TypeVar("T")

#: Gets a kind of name and a name, and returns what stands for it.
_Translate = Callable[[str, str], str]

_KEPT: Final = "kept"
_PATH: Final = "path"
_URI: Final = "uri"
_TEXT: Final = "withheld"
#: A label, or the word for the host itself.
_BY: Final = "by"

_NUMBERS: Final = frozenset({int, float, bool})

#: What a kept word may look like: of a vocabulary, not a sentence, a path or an address.
_WORD: Final = re.compile(r"[A-Za-z0-9_.+-]{0,64}\Z")
_SCHEME: Final = re.compile(r"(qemu|test|ch)(\+(ssh|tls|tcp|unix|ext|libssh|libssh2))?(?=://)")

#: The kind of name in each field, by the class that declares it. Of a mapping: of its keys, too.
KINDS: Final[Mapping[str, str | tuple[str, str]]] = {
    "HostRecord.name": "host",
    "HostRecord.uri": _URI,
    "HostRecord.peer_uri": _URI,
    "HostRecord.migration_address": "address",
    "HostRecord.shared_paths": _PATH,
    "HostRecord.labels": ("label", "value"),
    "HostObservation.host_uuid": "id",
    "HostObservation.hostname": "hostname",
    "HostObservation.architecture": _KEPT,
    "HostObservation.cpu_model": _KEPT,
    "HostObservation.emulator": _PATH,
    "HostObservation.virt_types": _KEPT,
    "HostObservation.machine_types": _KEPT,
    "HostObservation.networks": "network",
    "HostObservation.bridges": "network",
    "HostObservation.lacks": _TEXT,
    "StoragePool.name": "pool",
    "StoragePool.kind": _KEPT,
    "StoragePool.path": _PATH,
    "StoragePool.origin": "origin",
    "Link.name": "network",
    "Host.unreachable": _TEXT,
    "Vm.id": "id",
    "Vm.name": "vm",
    "Vm.host": "host",
    "Vm.architecture": _KEPT,
    "Vm.machine": _KEPT,
    "Vm.virt_type": _KEPT,
    "Vm.emulator": _PATH,
    "Vm.cpu_xml": "cpu",
    "Vm.warnings": _TEXT,
    "Vm.busy_with": _TEXT,
    "Disk.target": _KEPT,
    "Disk.source": _PATH,
    "Disk.format": _KEPT,
    "Disk.pool": "pool",
    "Nic.mac": "mac",
    "Nic.kind": _KEPT,
    "Nic.source": "network",
    "Nic.model": _KEPT,
    "Nic.tap": "tap",
    "Blocker.what": _TEXT,
    "Blocker.remedy": _TEXT,
    "Probe.address": "address",
    "VmPolicy.affinity": "group",
    "VmPolicy.anti_affinity": "group",
    "VmPolicy.labels": ("label", "value"),
    "VmPolicy.given": _KEPT,
    "VmGroup.name": "group",
    "VmGroup.members": "id",
    "Rule.name": "rule",
    "Rule.origin": _TEXT,
    "Rule.vms": "id",
    "Rule.hosts": "host",
    "Affinity.by": _BY,
    "AntiAffinity.by": _BY,
    "Bundle.by": _BY,
    "Spread.by": _BY,
    "Absorb.by": _BY,
    "StayWithin.by": _BY,
    "Available.losing": _BY,
    "Reservation.vm": "id",
    "Reservation.host": "host",
    "CpuAnswer.detail": _TEXT,
    "Knowledge.vms": ("id", _TEXT),
    "VmKnowledge.vm": "id",
    "PathKey.source": "host",
    "PathKey.destination": "host",
    "PathKey.stream": _KEPT,
}


def anonymise(cluster: Cluster) -> Cluster:
    """Return the same cluster under other names: the same name for the same thing everywhere."""
    found: dict[str, set[str]] = {}

    def note(kind: str, text: str) -> str:
        found.setdefault(kind, set()).add(text)
        return text

    _renamed_cluster(cluster, note)
    ranks = {
        kind: {text: rank for rank, text in enumerate(sorted(texts), 1)}
        for kind, texts in found.items()
    }

    def translate(kind: str, text: str) -> str:
        return _token(kind, ranks[kind][text], len(ranks[kind]))

    return _renamed_cluster(cluster, translate)


def _token(kind: str, rank: int, count: int) -> str:
    match kind:
        case "id":
            return f"00000000-0000-4000-8000-{rank:012x}"
        case "mac":
            return "52:54:00:" + ":".join(f"{rank >> shift & 255:02x}" for shift in (16, 8, 0))
        case "address":
            # The range for measurements of networks: nobody's address.
            return str(IPv4Address("198.18.0.0") + rank)
        case _:
            return f"{kind}-{rank:0{len(str(count))}d}"


def _renamed_cluster(cluster: Cluster, translate: _Translate) -> Cluster:
    values = {one.name: getattr(cluster, one.name) for one in fields(cluster)}
    for name in ("cpu_answers", "disk_sightings"):
        values[name] = Answers(tuple(_row(one, translate) for one in rows_of(values[name])))
    rest = values.keys() - {"cpu_answers", "disk_sightings"}
    return Cluster(**values | {name: _renamed(values[name], translate, _TEXT) for name in rest})


def _row(row: Row[T], translate: _Translate) -> Row[T]:
    return Row(
        subjects=tuple(
            (translate("id", vm), *(_word(one, _KEPT, translate) for one in rest))
            for vm, *rest in row.subjects
        ),
        hosts=frozenset(translate("host", one) for one in row.hosts),
        answer=_renamed(row.answer, translate, _TEXT),
    )


def _renamed(value: T, translate: _Translate, kind: str | tuple[str, str]) -> T:
    """Return the value with its texts translated, however deep they lie."""
    changed: Any = value
    if value is None or isinstance(value, int | float | Enum):
        return value
    if isinstance(value, str):
        changed = _word(value, kind if isinstance(kind, str) else kind[1], translate)
    elif isinstance(value, tuple | frozenset):
        changed = type(value)(_renamed(one, translate, kind) for one in value)
    elif is_dataclass(value) and not isinstance(value, type):
        changed = type(value)(
            **{
                # Numbers are most of a cluster, and need no look inside.
                name: one
                if (one := getattr(value, name)) is None or type(one) in _NUMBERS
                else _renamed(one, translate, of_field)
                for name, of_field in _kinds_of(type(value))
            }
        )
    elif isinstance(value, Mapping):
        of_keys, of_values = kind if isinstance(kind, tuple) else (_TEXT, _TEXT)
        changed = {
            _renamed(key, translate, of_keys): _renamed(one, translate, of_values)
            for key, one in value.items()
        }
    return cast("T", changed)


@lru_cache(maxsize=128)
def _kinds_of(kind: type) -> tuple[tuple[str, str | tuple[str, str]], ...]:
    """Each field of a class with the kind of name in it, said by the class or by one above it."""
    return tuple(
        (
            one.name,
            next(
                (
                    KINDS[key]
                    for base in kind.__mro__
                    if (key := f"{base.__name__}.{one.name}") in KINDS
                ),
                _TEXT,
            ),
        )
        for one in fields(kind)
    )


def _word(text: str, kind: str, translate: _Translate) -> str:
    if not text:
        return text
    if kind == _KEPT:
        return text if _WORD.match(text) else translate(_TEXT, text)
    if kind == _BY:
        return text if text == HOST else translate("label", text)
    if kind == _PATH:
        # Part by part: what lies in one folder still does.
        return "/".join(translate("part", part) if part else "" for part in text.split("/"))
    if kind == _URI:
        scheme = _SCHEME.match(text)
        return f"{scheme[0] if scheme else 'qemu'}://{translate(_URI, text)}/system"
    return translate(kind, text)
