"""The policy of a VM in its libvirt metadata, under Godwit's own namespace.

::

    <godwit:vm xmlns:godwit="urn:godwit:vm:1" pause-max="300ms" priority="5">
      <godwit:affinity group="db"/>
      <godwit:anti-affinity group="web"/>
      <godwit:probe address="192.0.2.7" tcp="443"/>
    </godwit:vm>
"""

import xml.etree.ElementTree as ET
from typing import Final

from godwit.core.errors import BadValue
from godwit.core.model import Probe, VmPolicy
from godwit.core.units import parse_duration

__all__ = ["NAMESPACE", "read_policy"]

NAMESPACE: Final = "urn:godwit:vm:1"
_KNOWN: Final = frozenset({"pause-max", "priority"})
_KNOWN_TAGS: Final = frozenset(
    f"{{{NAMESPACE}}}{tag}" for tag in ("affinity", "anti-affinity", "probe")
)


def read_policy(root: ET.Element) -> VmPolicy:
    """Read the policy of a domain; the default one when it has none.

    Raises: BadValue when there is one that can't be understood. A promise that can't be read must
    not be guessed.
    """
    element = root.find(f"metadata/{{{NAMESPACE}}}vm")
    if element is None:
        return VmPolicy()
    if unknown := set(element.attrib) - _KNOWN:
        raise _bad(f"unknown attribute {min(unknown)!r}")
    if unknown := {child.tag for child in element} - _KNOWN_TAGS:
        raise _bad(f"unknown element {min(unknown).rpartition('}')[2]!r}")
    try:
        pause_max_s = parse_duration(element.get("pause-max", "1s"))
    except BadValue as error:
        raise _bad(f"pause-max: {error.message}") from error
    if pause_max_s <= 0:
        raise _bad("pause-max is not above zero")
    try:
        priority = int(element.get("priority", "0"))
    except ValueError as error:
        raise _bad(f"priority {element.get('priority')!r} is not a whole number") from error
    return VmPolicy(
        pause_max_s=pause_max_s,
        priority=priority,
        affinity=_groups(element, "affinity"),
        anti_affinity=_groups(element, "anti-affinity"),
        probe=_probe(element),
    )


def _bad(why: str) -> BadValue:
    return BadValue(f"the VM's Godwit metadata can't be understood: {why}")


def _groups(element: ET.Element, tag: str) -> tuple[str, ...]:
    names = [one.get("group", "") for one in element.iterfind(f"{{{NAMESPACE}}}{tag}")]
    if not all(names):
        raise _bad(f"an <{tag}> without a group")
    return tuple(sorted(set(names)))


def _probe(element: ET.Element) -> Probe | None:
    probe = element.find(f"{{{NAMESPACE}}}probe")
    if probe is None:
        return None
    if not (address := probe.get("address")):
        raise _bad("a <probe> without an address")
    if (port := probe.get("tcp")) is None:
        return Probe(address=address)
    if not port.isdigit() or not 0 < int(port) < 65536:
        raise _bad(f"{port!r} is not a TCP port")
    return Probe(address=address, tcp_port=int(port))
