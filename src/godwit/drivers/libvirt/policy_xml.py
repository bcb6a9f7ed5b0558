"""The policy of a VM in its libvirt metadata, under Godwit's own namespace.

::

    <godwit:vm xmlns:godwit="urn:godwit:vm:1" downtime-max="300ms" downtime-target="100ms"
               longer-downtime="5s" deadline="10m" throttle="yes" postcopy="no" priority="5">
      <godwit:label name="tier" value="gold"/>
      <godwit:affinity group="db"/>
      <godwit:anti-affinity group="web"/>
      <godwit:probe address="192.0.2.7" tcp="443"/>
    </godwit:vm>

``pause-max`` is the old name of ``downtime-max``. libvirt shows the element by itself without the
namespace (``virsh metadata``): both forms are read. Pure.
"""

import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping
from typing import Any, Final

from godwit.core.errors import BadValue
from godwit.core.model import Probe, VmPolicy
from godwit.core.units import parse_duration

__all__ = ["NAMESPACE", "edit_policy", "read_policy", "read_policy_element"]

NAMESPACE: Final = "urn:godwit:vm:1"
ET.register_namespace("godwit", NAMESPACE)

_OLD_DOWNTIME_MAX: Final = "pause-max"
#: The fields that are children; all others are attributes.
_TAGS: Final[Mapping[str, str]] = {
    "labels": "label",
    "affinity": "affinity",
    "anti_affinity": "anti-affinity",
    "probe": "probe",
}


def _bad(why: str) -> BadValue:
    return BadValue(f"the VM's Godwit metadata can't be understood: {why}")


def _duration(name: str, text: str) -> float:
    try:
        duration_s = parse_duration(text)
    except BadValue as error:
        raise _bad(f"{name}: {error.message}") from error
    if duration_s <= 0:
        raise _bad(f"{name} is not above zero")
    return duration_s


def _yes(name: str, text: str) -> bool:
    if text not in {"yes", "no"}:
        raise _bad(f"{name} is {text!r}, neither yes nor no")
    return text == "yes"


def _whole_number(name: str, text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise _bad(f"{name} {text!r} is not a whole number") from error


_ATTRIBUTES: Final[Mapping[str, tuple[str, Callable[[str, str], Any]]]] = {
    "downtime-max": ("pause_max_s", _duration),
    _OLD_DOWNTIME_MAX: ("pause_max_s", _duration),
    "downtime-target": ("pause_target_s", _duration),
    "longer-downtime": ("pause_longer_s", _duration),
    "deadline": ("deadline_s", _duration),
    "throttle": ("may_throttle", _yes),
    "postcopy": ("may_postcopy", _yes),
    "priority": ("priority", _whole_number),
}


def read_policy(root: ET.Element) -> VmPolicy:
    """Read the policy of a domain; the default one when it has none.

    Raises: BadValue when there is one that can't be understood. A promise that can't be read must
    not be guessed.
    """
    element = root.find(f"metadata/{{{NAMESPACE}}}vm")
    return VmPolicy() if element is None else read_policy_element(element)


def read_policy_element(element: ET.Element) -> VmPolicy:
    """Read the element itself. Raises: BadValue."""
    known = {_space(element) + tag for tag in _TAGS.values()}
    if unknown := set(element.attrib) - set(_ATTRIBUTES):
        raise _bad(f"unknown attribute {min(unknown)!r}")
    for child in element.iterfind("{*}*"):  # not the comments, which have no name
        if child.tag not in known:
            raise _bad(f"unknown element {child.tag.rpartition('}')[2]!r}")
    if {"downtime-max", _OLD_DOWNTIME_MAX} <= set(element.attrib):
        raise _bad(f"both downtime-max and {_OLD_DOWNTIME_MAX}, its old name")
    fields: dict[str, Any] = {
        field: read(name, element.attrib[name])
        for name, (field, read) in _ATTRIBUTES.items()
        if name in element.attrib
    }
    children = {
        "labels": _labels(element),
        "affinity": _groups(element, "affinity"),
        "anti_affinity": _groups(element, "anti-affinity"),
        "probe": _probe(element),
    }
    fields |= {field: found for field, found in children.items() if found}
    policy = VmPolicy(**fields, given=frozenset(fields))
    _check(policy)
    return policy


def _check(policy: VmPolicy) -> None:
    """Refuse limits that contradict each other, as far as the VM itself sets them."""
    if "pause_max_s" not in policy.given:
        return
    if policy.pause_target_s is not None and policy.pause_target_s > policy.pause_max_s:
        raise _bad("downtime-target is above downtime-max")
    if policy.pause_longer_s is not None and policy.pause_longer_s < policy.pause_max_s:
        raise _bad("longer-downtime is below downtime-max")


def _space(element: ET.Element) -> str:
    """Return the namespace of the element as it stands before its children's names."""
    return element.tag.removesuffix("vm")


def _labels(element: ET.Element) -> dict[str, str]:
    labels: dict[str, str] = {}
    for one in element.iterfind(f"{_space(element)}label"):
        name, value = one.get("name"), one.get("value")
        if not name or value is None:
            raise _bad("a <label> without a name or a value")
        if name in labels:
            raise _bad(f"two labels {name!r}")
        labels[name] = value
    return labels


def _groups(element: ET.Element, tag: str) -> tuple[str, ...]:
    names = [one.get("group", "") for one in element.iterfind(f"{_space(element)}{tag}")]
    if not all(names):
        raise _bad(f"an <{tag}> without a group")
    return tuple(sorted(set(names)))


def _probe(element: ET.Element) -> Probe | None:
    probe = element.find(f"{_space(element)}probe")
    if probe is None:
        return None
    if not (address := probe.get("address")):
        raise _bad("a <probe> without an address")
    if (port := probe.get("tcp")) is None:
        return Probe(address=address)
    if not port.isdigit() or not 0 < int(port) < 65536:
        raise _bad(f"{port!r} is not a TCP port")
    return Probe(address=address, tcp_port=int(port))


def edit_policy(element: ET.Element, policy: VmPolicy) -> None:
    """Write the given fields into the element; None removes one. Everything else stays.

    What was there may be wrong in a field that is given: then this mends it. Raises: BadValue when
    the result can't be understood.
    """
    for name, (field, _) in _ATTRIBUTES.items():
        if field not in policy.given:
            continue
        element.attrib.pop(name, None)
        value = getattr(policy, field)
        if value is not None and name != _OLD_DOWNTIME_MAX:
            element.set(name, _text(value))
    for field, tag in _TAGS.items():
        if field in policy.given:
            _replace(element, tag, _told(policy, field))
    read_policy_element(element)


def _text(value: float) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return str(value)
    number, unit = (value * 1000, "ms") if value < 1 else (value, "s")
    return f"{number:.6f}".rstrip("0").rstrip(".") + unit


def _told(policy: VmPolicy, field: str) -> list[dict[str, str]]:
    """Return the attributes of each child that says a field."""
    if field == "labels":
        return [{"name": name, "value": policy.labels[name]} for name in sorted(policy.labels)]
    if field != "probe":
        return [{"group": group} for group in getattr(policy, field)]
    if policy.probe is None:
        return []
    port = {} if policy.probe.tcp_port is None else {"tcp": str(policy.probe.tcp_port)}
    return [{"address": policy.probe.address, **port}]


def _replace(element: ET.Element, tag: str, wanted: list[dict[str, str]]) -> None:
    name = _space(element) + tag
    for child in element.findall(name):
        element.remove(child)
    for attributes in wanted:
        ET.SubElement(element, name, attributes)
