"""The hosts file: an inventory written by a person, in TOML.

::

    [[host]]
    name = "kvm1"                          # default: the host part of the URI
    uri = "qemu+ssh://root@kvm1/system"
    peer_uri = "qemu+tls://kvm1/system"    # how the other hosts reach it; default: the URI
    migration_address = "10.0.0.1"         # where the memory stream goes
    migration_link = "1gbit"
    shared_paths = ["/srv/vms"]            # the same storage on every host that names it
    memory_reserve = "1GiB"                # never given to VMs
    cores_overcommit = 8.0                 # vCPUs for each core
    labels = { rack = "a" }

An unknown key is refused with its path. Nothing is read from a disk here: the text is given.
"""

import tomllib
from collections.abc import Callable, Mapping
from typing import Any, Final

from pydantic import ValidationError

from godwit.core.errors import BadSettings, BadValue
from godwit.core.units import parse_bytes, parse_rate
from godwit.wire.hosts import NewHost, new_host_from_wire
from godwit.wire.near import near_matches
from godwit.wire.validation import first_complaint

__all__ = ["read_hosts_file"]

#: Keys as a person writes them, each with the field it fills and how its value is read.
_SIZED: Final[Mapping[str, tuple[str, Callable[[str], float]]]] = {
    "migration_link": ("migration_link_bytes_per_s", parse_rate),
    "memory_reserve": ("memory_reserve_bytes", parse_bytes),
}
_PLAIN: Final = (
    "name",
    "uri",
    "peer_uri",
    "migration_address",
    "shared_paths",
    "cores_overcommit",
    "labels",
)
_KEYS: Final = tuple(sorted((*_SIZED, *_PLAIN)))


def read_hosts_file(text: str, *, file_name: str) -> tuple[NewHost, ...]:
    """Read the hosts of a file, in the order in which they stand there.

    Raises: BadSettings with the path of the key that can't be used; then nothing was read.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadSettings(
            f"{file_name} is not TOML",
            evidence=str(error),
            remedy="Correct it there; texts stand in quotes, each host begins with [[host]].",
        ) from error
    for key in document:
        if key != "host":
            raise _unknown(file_name, key, ("host",))
    entries = document.get("host", [])
    if not isinstance(entries, list) or not all(isinstance(one, dict) for one in entries):
        raise BadSettings(
            f"{file_name}: host must be a list of tables", remedy="Start each one with [[host]]."
        )
    if not entries:
        raise BadSettings(
            f"{file_name} names no host", remedy="Start each host with a line [[host]]."
        )
    hosts = tuple(
        _read_host(entry, file_name=file_name, path=f"host[{number}]")
        for number, entry in enumerate(entries)
    )
    _check_names(hosts, file_name)
    return hosts


def _read_host(entry: dict[str, Any], *, file_name: str, path: str) -> NewHost:
    fields: dict[str, Any] = {}
    for key, value in entry.items():
        where = f"{file_name}: {path}.{key}"
        if key in _SIZED:
            field, parse = _SIZED[key]
            fields[field] = _sized(value, parse, where)
        elif key in _PLAIN:
            fields[key] = value
        else:
            raise _unknown(file_name, f"{path}.{key}", _KEYS)
    try:
        host = NewHost.model_validate(fields)
    except ValidationError as error:
        key, complaint = first_complaint(error)
        written = {field: name for name, (field, _) in _SIZED.items()}.get(key, key)
        raise BadSettings(
            f"{file_name}: {path}.{written} can't be used",
            evidence=complaint,
            remedy="Correct it there; no host was added.",
        ) from error
    try:
        new_host_from_wire(host)
    except BadValue as error:
        raise BadSettings(
            f"{file_name}: {path}: {error.message}", evidence=error.evidence, remedy=error.remedy
        ) from error
    return host


def _sized(value: object, parse: Callable[[str], float], where: str) -> float:
    if not isinstance(value, str):
        raise BadSettings(
            f"{where} must be a text with a unit, not {value!r}",
            remedy='Write it in quotes, for example "1gbit" or "2GiB".',
        )
    try:
        return parse(value)
    except BadValue as error:
        raise BadSettings(f"{where}: {error.message}", remedy=error.remedy) from error


def _check_names(hosts: tuple[NewHost, ...], file_name: str) -> None:
    seen: dict[str, int] = {}
    for number, host in enumerate(hosts):
        name = new_host_from_wire(host).name
        if name in seen:
            raise BadSettings(
                f"{file_name}: host[{seen[name]}] and host[{number}] are both named {name}",
                remedy="Give each host its own name.",
            )
        seen[name] = number


def _unknown(file_name: str, path: str, known: tuple[str, ...]) -> BadSettings:
    near = near_matches(path.rpartition(".")[2], known)
    return BadSettings(
        f"{file_name}: unknown key {path}",
        remedy=f"Did you mean {near[0]}?" if near else f"Known keys: {', '.join(known)}.",
    )
