"""A cluster as one JSON document: written in full, read back exactly or not at all.

One line a host, a VM, a group, so that two files can be compared and one can be searched. Every
field of the core's values stands in it, defaults included: a default that changes later must not
change what an older file says. The version grows when a field is renamed or changes its meaning.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from functools import lru_cache
from typing import Any, ClassVar, Final

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic_core import from_json

from godwit import __version__
from godwit.core.errors import BadValue
from godwit.core.model import (
    Calibration,
    Cluster,
    CpuAnswer,
    DiskSighting,
    Host,
    HostName,
    Knowledge,
    PathKey,
    PathKnowledge,
    Reservation,
    Vm,
    VmGroup,
    VmId,
    VmKnowledge,
)
from godwit.formats.answers import Answers, Row, rows_of
from godwit.formats.rule_rows import RuleRow, row_of_rule, rule_of_row
from godwit.formats.soundness import complaint_about
from godwit.wire.validation import first_complaint

__all__ = ["FORMAT", "VERSION", "SavedCluster", "read_json", "write_json"]

FORMAT: Final = "godwit-cluster"
VERSION: Final = 1
_SIMPLE: Final = frozenset({str, int, float, bool, type(None)})


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedCluster:
    """A cluster out of a file. ``written_by`` is the program that wrote it, ``format`` its kind."""

    cluster: Cluster
    format: str
    written_by: str
    anonymised: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _CpuRow:
    vms: tuple[VmId, ...]
    hosts: tuple[HostName, ...]
    answer: CpuAnswer


@dataclass(frozen=True, slots=True, kw_only=True)
class _DiskRow:
    disks: tuple[tuple[VmId, str], ...]
    hosts: tuple[HostName, ...]
    answer: DiskSighting


@dataclass(frozen=True, slots=True, kw_only=True)
class _Path:
    path: PathKey
    known: PathKnowledge


@dataclass(frozen=True, slots=True, kw_only=True)
class _Document:
    """The file. The core's own values inside are read by the same strict rules."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(
        extra="forbid", strict=True, allow_inf_nan=False
    )

    format: str
    version: int
    godwit: str
    anonymised: bool
    generation: int
    taken_at_s: float
    hosts: tuple[Host, ...]
    vms: tuple[Vm, ...]
    groups: tuple[VmGroup, ...]
    rules: tuple[RuleRow, ...]
    reservations: tuple[Reservation, ...]
    cpu_answers: tuple[_CpuRow, ...]
    disk_sightings: tuple[_DiskRow, ...]
    known_vms: tuple[VmKnowledge, ...]
    known_paths: tuple[_Path, ...]
    calibration: Calibration


def write_json(cluster: Cluster, *, anonymised: bool = False) -> bytes:
    """Write a cluster. ``anonymised`` is only said in the file, not done here.

    Raises: BadValue when it holds a number or a text that no file could.
    """
    document: dict[str, object] = {
        "format": FORMAT,
        "version": VERSION,
        "godwit": __version__,
        "anonymised": anonymised,
        "generation": cluster.generation,
        "taken_at_s": cluster.taken_at_s,
        "hosts": cluster.hosts,
        "vms": cluster.vms,
        "groups": cluster.groups,
        "rules": tuple(row_of_rule(one, _plain(one)) for one in cluster.rules),
        "reservations": cluster.reservations,
        "cpu_answers": tuple(_cpu_row(row) for row in rows_of(cluster.cpu_answers)),
        "disk_sightings": tuple(_disk_row(row) for row in rows_of(cluster.disk_sightings)),
        "known_vms": tuple(cluster.known.vms[key] for key in sorted(cluster.known.vms)),
        "known_paths": tuple(
            _Path(path=key, known=cluster.known.paths[key])
            for key in sorted(
                cluster.known.paths, key=lambda one: (one.source, one.destination, one.stream)
            )
        ),
        "calibration": cluster.known.calibration,
    }
    try:
        parts = [f" {json.dumps(name)}: {_section(value)}" for name, value in document.items()]
        return "{{\n{}\n}}\n".format(",\n".join(parts)).encode()
    except (ValueError, UnicodeEncodeError) as error:
        raise BadValue(
            "this cluster can't be written to a file",
            evidence=str(error),
            remedy="Look in `godwit scan -o json` for a number that is not finite, or a text that"
            " is no text.",
        ) from error


def _cpu_row(row: Row[CpuAnswer]) -> _CpuRow:
    return _CpuRow(
        vms=tuple(VmId(vm) for (vm,) in row.subjects),
        hosts=tuple(HostName(one) for one in sorted(row.hosts)),
        answer=row.answer,
    )


def _disk_row(row: Row[DiskSighting]) -> _DiskRow:
    return _DiskRow(
        disks=tuple((VmId(vm), target) for vm, target in row.subjects),
        hosts=tuple(HostName(one) for one in sorted(row.hosts)),
        answer=row.answer,
    )


def _section(value: object) -> str:
    if not isinstance(value, tuple):
        return _line(value)
    return "[\n{}\n ]".format(",\n".join(f"  {_line(one)}" for one in value)) if value else "[]"


def _line(value: object) -> str:
    return json.dumps(_plain(value), ensure_ascii=False, allow_nan=False, separators=(",", ":"))


@lru_cache(maxsize=64)
def _names(kind: type) -> tuple[str, ...]:
    return tuple(one.name for one in fields(kind))


def _plain(value: object) -> Any:  # noqa: ANN401 - JSON
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, Enum):
        return value.value
    if is_dataclass(value) and not isinstance(value, type):
        # Most are numbers and texts: asked here, they cost no call.
        return {
            name: one if type(one := getattr(value, name)) in _SIMPLE else _plain(one)
            for name in _names(type(value))
        }
    if isinstance(value, frozenset):
        return sorted(_plain(one) for one in value)
    if isinstance(value, Mapping):
        return {str(key): _plain(value[key]) for key in sorted(value)}
    assert isinstance(value, Iterable), f"nothing in a cluster is a {type(value).__name__}"
    return [_plain(one) for one in value]


def read_json(raw: bytes, *, file_name: str) -> SavedCluster:
    """Read what ``write_json`` wrote.

    Raises: BadValue with what is wrong and where; then nothing was read.
    """
    godwit = _check_head(raw, file_name)
    try:
        document = _adapter().validate_json(raw)
        cluster = _cluster(document)
    except ValidationError as error:
        raise _complaint(error, file_name, godwit) from error
    except ValueError as error:
        raise _unusable(file_name, str(error)) from error
    if complaint := complaint_about(cluster):
        raise _unusable(file_name, complaint)
    return SavedCluster(
        cluster=cluster,
        format=f"{FORMAT} {document.version}",
        written_by=f"godwit {document.godwit}",
        anonymised=document.anonymised,
    )


@lru_cache(maxsize=1)
def _adapter() -> TypeAdapter[_Document]:
    return TypeAdapter(_Document)


def _check_head(raw: bytes, file_name: str) -> str:
    """Say which Godwit wrote it. Raises: BadValue when it is none that we can read."""
    try:
        document = from_json(raw)
    except ValueError as error:
        raise BadValue(
            f"{file_name} is not whole, or no JSON",
            evidence=str(error),
            remedy="Copy it again from where it was saved; nothing of it was read.",
        ) from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise BadValue(
            f"{file_name} is JSON, but not a saved cluster",
            evidence=f'it does not say "format": "{FORMAT}"',
            remedy="Make one with `godwit cluster save FILE.json`.",
        )
    godwit, version = str(document.get("godwit", "unknown")), document.get("version")
    if version != VERSION or isinstance(version, bool):
        raise BadValue(
            f"{file_name} has version {version!r} of the format, which this Godwit can't read",
            evidence=f"this is Godwit {__version__}, which reads version {VERSION}; the file was"
            f" written by Godwit {godwit}",
            remedy=f"Use Godwit {godwit}, or save the cluster again with this one.",
        )
    return godwit


def _cluster(document: _Document) -> Cluster:
    return Cluster(
        generation=document.generation,
        taken_at_s=document.taken_at_s,
        # Who adds one by hand adds it at the end; all readers of a cluster count on the order.
        hosts=tuple(sorted(document.hosts, key=lambda one: one.name)),
        vms=tuple(sorted(document.vms, key=lambda one: (one.name, one.host))),
        groups=document.groups,
        rules=tuple(rule_of_row(row) for row in document.rules),
        reservations=document.reservations,
        cpu_answers=Answers(
            tuple(
                Row(
                    subjects=tuple((vm,) for vm in row.vms),
                    hosts=frozenset(row.hosts),
                    answer=row.answer,
                )
                for row in document.cpu_answers
            )
        ),
        disk_sightings=Answers(
            tuple(
                Row(subjects=row.disks, hosts=frozenset(row.hosts), answer=row.answer)
                for row in document.disk_sightings
            )
        ),
        known=Knowledge(
            vms={one.vm: one for one in document.known_vms},
            paths={one.path: one.known for one in document.known_paths},
            calibration=document.calibration,
        ),
    )


def _complaint(error: ValidationError, file_name: str, godwit: str) -> BadValue:
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    if first["type"] in {"unexpected_keyword_argument", "extra_forbidden"}:
        return BadValue(
            f"{file_name} has a field {where} that this Godwit does not know",
            evidence=f"this is Godwit {__version__}; the file was written by Godwit {godwit}",
            remedy="Use the Godwit that wrote it, or take the field out if it was added by hand.",
        )
    key, sentence = first_complaint(error)
    return _unusable(file_name, f"{key}: {sentence}")


def _unusable(file_name: str, evidence: str) -> BadValue:
    return BadValue(
        f"{file_name} can't be used",
        evidence=evidence,
        remedy="Correct it there, or save the cluster again; nothing of it was read.",
    )
