"""The text format of Ganeti's htools (``hbal -t FILE``): its lines as values, and back.

Five sections with an empty line between them: groups, nodes, instances, tags of the cluster, and
policies. Fields stand between ``|``, sizes are MiB. Later versions have added columns at the end
of nodes and instances: they are kept as they are. Words are Ganeti's: a node is a host here.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from godwit.core.errors import BadValue

__all__ = ["Group", "Htools", "Instance", "Node", "read_htools", "write_htools"]

#: Sections that a file may leave out at its end.
_SECTIONS: Final = (4, 5)
_OFFLINE: Final = "Y"


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A group of nodes. ``rest`` is tags and, in newer files, networks."""

    name: str
    uuid: str
    alloc_policy: str = "preferred"
    rest: tuple[str, ...] = ("", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A node. ``status`` is Y for one that is offline, M for the master, else N.

    ``rest``: spindles, tags, exclusive storage, free spindles, CPUs of the host itself, CPU speed.
    """

    name: str
    memory_total_mib: int
    memory_node_mib: int
    memory_free_mib: int
    disk_total_mib: int
    disk_free_mib: int
    cpus: int
    status: str
    group_uuid: str
    rest: tuple[str, ...] = ("1", "", "N", "0", "0", "1.0")

    @property
    def is_offline(self) -> bool:
        """Whether it takes no part."""
        return self.status == _OFFLINE

    @property
    def cpus_of_node(self) -> int:
        """CPUs that the node needs for itself."""
        return int(self.rest[4]) if len(self.rest) > 4 else 0

    @property
    def cpu_speed(self) -> float:
        """How fast its CPUs are beside those of others."""
        return float(self.rest[5]) if len(self.rest) > 5 else 1.0

    @property
    def is_sound(self) -> bool:
        """Whether what stands in ``rest`` are numbers that can be."""
        try:
            return self.cpus_of_node >= 0 and self.cpu_speed > 0
        except ValueError:
            return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """An instance. ``secondary`` is empty unless its disk is mirrored there.

    ``rest``: spindles used, of each disk, and whether it is yet to be made.
    """

    name: str
    memory_mib: int
    disk_mib: int
    vcpus: int
    status: str
    auto_balance: bool
    primary: str
    secondary: str
    template: str
    tags: tuple[str, ...] = ()
    rest: tuple[str, ...] = ("0", "-", "N")


@dataclass(frozen=True, slots=True, kw_only=True)
class Htools:
    """A whole file. ``policies`` are its lines as they stand; ``vcpu_ratios`` reads one of them."""

    groups: tuple[Group, ...]
    nodes: tuple[Node, ...]
    instances: tuple[Instance, ...]
    tags: tuple[str, ...] = ()
    policies: tuple[str, ...] = ()

    @property
    def vcpu_ratios(self) -> dict[str, float]:
        """How many vCPUs a core may carry, by the name of the group; of the cluster under ''."""
        found = {}
        for line in self.policies:
            parts = line.split("|")
            if len(parts) >= 6:
                found[parts[0]] = float(parts[-2])
        return found


def read_htools(text: str, *, file_name: str) -> Htools:
    """Read a file.

    Raises: BadValue with the line that can't be used; then nothing was read.
    """
    sections: list[list[tuple[int, str]]] = [[]]
    for number, line in enumerate(text.split("\n"), 1):
        if line:
            sections[-1].append((number, line))
        else:
            sections.append([])
    # The last line ends with a line feed, and has none after it.
    if not sections[-1]:
        sections.pop()
    if len(sections) not in _SECTIONS:
        raise BadValue(
            f"{file_name} is not whole, or no file of Ganeti's htools",
            evidence=f"it has {len(sections)} sections with an empty line between them, not five:"
            " groups, nodes, instances, tags, policies",
            remedy="Write it again with `hbal -S FILE`, `hscan` or `godwit cluster save`.",
        )
    groups, nodes, instances, tags, *policies = sections
    try:
        found = Htools(
            groups=tuple(_group(line) for line in _lines(groups, 3, file_name)),
            nodes=tuple(_node(line) for line in _lines(nodes, 9, file_name)),
            instances=tuple(_instance(line) for line in _lines(instances, 10, file_name)),
            tags=tuple(line for _, line in tags),
            policies=tuple(line for section in policies for _, line in section),
        )
        _check_rest(found)
    except _BadLine as error:
        raise BadValue(
            f"{file_name}: {error.why}", remedy="Correct it there; nothing of it was read."
        ) from error
    return found


class _BadLine(Exception):
    """A line that can't be used."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


@dataclass(frozen=True, slots=True)
class _Line:
    """The fields of one line, and where it stands."""

    number: int
    fields: tuple[str, ...]

    def whole(self, at: int, what: str) -> int:
        text = self.fields[at]
        try:
            value = float(text)
            number = int(value)
        except (ValueError, OverflowError) as error:
            raise _BadLine(f"line {self.number}: {what} is {text!r}, no number") from error
        if number != value:
            raise _BadLine(f"line {self.number}: {what} is {text!r}, no whole number")
        return number


def _lines(section: list[tuple[int, str]], least: int, file_name: str) -> Iterator[_Line]:
    for number, text in section:
        fields = tuple(text.split("|"))
        if len(fields) < least:
            raise BadValue(
                f"{file_name}: line {number} has {len(fields)} fields, and at least {least} are"
                " needed",
                evidence=text[:200],
                remedy="Correct it there; nothing of it was read.",
            )
        yield _Line(number, fields)


def _group(line: _Line) -> Group:
    name, uuid, policy, *rest = line.fields
    return Group(name=name, uuid=uuid, alloc_policy=policy, rest=tuple(rest))


def _node(line: _Line) -> Node:
    # Of a node that is offline nothing may be known.
    unknown = "?" in line.fields[1:7]
    sizes = [0] * 6 if unknown else [line.whole(at, _SIZES[at - 1]) for at in range(1, 7)]
    total, own, free, disk_total, disk_free, cpus = sizes
    node = Node(
        name=line.fields[0],
        memory_total_mib=total,
        memory_node_mib=own,
        memory_free_mib=free,
        disk_total_mib=disk_total,
        disk_free_mib=disk_free,
        cpus=cpus,
        status=_OFFLINE if unknown else line.fields[7],
        group_uuid=line.fields[8],
        rest=line.fields[9:],
    )
    if not node.is_sound:
        raise _BadLine(
            f"line {line.number}: the node {node.name} has {'|'.join(node.rest[4:])!r} for its own"
            " CPUs and their speed"
        )
    return node


_SIZES: Final = (
    "the total memory",
    "the memory of the node",
    "the free memory",
    "the total disk",
    "the free disk",
    "the number of CPUs",
)


def _instance(line: _Line) -> Instance:
    name, _, _, _, status, auto_balance, primary, secondary, template, tags = line.fields[:10]
    return Instance(
        name=name,
        memory_mib=line.whole(1, "the memory"),
        disk_mib=line.whole(2, "the disk"),
        vcpus=line.whole(3, "the number of vCPUs"),
        status=status,
        auto_balance=auto_balance == "Y",
        primary=primary,
        secondary=secondary,
        template=template,
        tags=tuple(one for one in tags.split(",") if one),
        rest=line.fields[10:],
    )


def _check_rest(found: Htools) -> None:
    groups = _unique("group", [one.uuid for one in found.groups])
    nodes = _unique("node", [one.name for one in found.nodes])
    _unique("instance", [one.name for one in found.instances])
    for node in found.nodes:
        if node.group_uuid not in groups:
            raise _BadLine(f"the node {node.name} is in the unknown group {node.group_uuid!r}")
    for one in found.instances:
        for name in (one.primary, *([one.secondary] if one.secondary else [])):
            if name not in nodes:
                raise _BadLine(f"the instance {one.name} is on the unknown node {name!r}")
    try:
        ratios = found.vcpu_ratios
    except ValueError as error:
        raise _BadLine(f"a policy has no ratio of vCPUs: {error}") from error
    for owner, ratio in ratios.items():
        if not ratio > 0:
            raise _BadLine(f"the policy of {owner or 'the cluster'} allows {ratio} vCPUs a core")


def _unique(what: str, names: Sequence[str]) -> set[str]:
    known = set(names)
    if len(known) < len(names):
        twice = next(one for one in names if names.count(one) > 1)
        raise _BadLine(f"two lines are about the {what} {twice!r}")
    return known


def write_htools(found: Htools) -> str:
    """Write a file that htools read."""
    sections = (
        ["|".join((one.name, one.uuid, one.alloc_policy, *one.rest)) for one in found.groups],
        [_node_line(one) for one in found.nodes],
        [_instance_line(one) for one in found.instances],
        list(found.tags),
        list(found.policies),
    )
    return "\n".join("".join(f"{line}\n" for line in section) for section in sections)


def _node_line(one: Node) -> str:
    sizes = (
        one.memory_total_mib,
        one.memory_node_mib,
        one.memory_free_mib,
        one.disk_total_mib,
        one.disk_free_mib,
        one.cpus,
    )
    return "|".join((one.name, *map(str, sizes), one.status, one.group_uuid, *one.rest))


def _instance_line(one: Instance) -> str:
    return "|".join(
        (
            one.name,
            str(one.memory_mib),
            str(one.disk_mib),
            str(one.vcpus),
            one.status,
            "Y" if one.auto_balance else "N",
            one.primary,
            one.secondary,
            one.template,
            ",".join(one.tags),
            *one.rest,
        )
    )
