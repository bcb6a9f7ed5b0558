"""NUMA cells and huge pages: what a host's capabilities tell, and what a domain asks for. Pure."""

import xml.etree.ElementTree as ET
from typing import Final

from godwit.core.errors import BadValue
from godwit.core.model import NumaCell, Pages
from godwit.core.units import KIB, parse_bytes

__all__ = ["read_bound_cells", "read_cells", "read_huge_page_size"]

#: With these the guest's memory may only lie on the cells that are named.
_BINDING: Final = frozenset({"strict", "restrictive", "interleave"})


def _size_bytes(element: ET.Element, text: str) -> int:
    """Sizes are in KiB, unless another unit stands beside them."""
    unit = element.get("unit", "KiB")
    if unit.startswith("byte"):
        return int(text)
    try:
        return parse_bytes(f"{text}{unit}")
    except BadValue:
        return int(text) * KIB


def read_cells(capabilities: ET.Element) -> tuple[NumaCell, ...] | None:
    """Read the cells of a host from its capabilities; None where libvirt can't see them.

    The pages are all that are set up, in use or not: what is free changes from one second to the
    next, and other guests give theirs back only when they leave.
    """
    cells = capabilities.find("host/topology/cells")
    if cells is None:
        return None
    found = [_cell(one) for one in cells.iterfind("cell") if one.get("id", "").isdigit()]
    return tuple(sorted(found, key=lambda one: one.number)) or None


def _cell(element: ET.Element) -> NumaCell:
    memory = element.find("memory")
    cpus = element.find("cpus")
    listed = len(cpus.findall("cpu")) if cpus is not None else 0
    return NumaCell(
        number=int(element.get("id", "0")),
        memory_bytes=_size_bytes(memory, memory.text or "0") if memory is not None else 0,
        cores=int(cpus.get("num", listed)) if cpus is not None else 0,
        pages=tuple(
            Pages(page_bytes=_size_bytes(one, one.get("size", "0")), count=int(one.text or "0"))
            for one in element.iterfind("pages")
        ),
    )


def read_huge_page_size(domain: ET.Element) -> int | None:
    """The page size that a domain asks for: 0 leaves it to the host, None is ordinary pages.

    Of several sizes for several cells of the guest the largest counts, which is the scarcest.
    """
    asked = domain.find("memoryBacking/hugepages")
    if asked is None:
        return None
    sizes = [_size_bytes(one, one.get("size", "0")) for one in asked.iterfind("page")]
    return max(sizes, default=0)


def read_bound_cells(domain: ET.Element) -> frozenset[int]:
    """The cells of its host that a domain's memory is bound to; none where it only prefers some.

    Automatic placement is not a binding: the destination finds its own.
    """
    found: set[int] = set()
    for one in (*domain.iterfind("numatune/memory"), *domain.iterfind("numatune/memnode")):
        if one.get("mode", "strict") in _BINDING and one.get("placement", "static") == "static":
            found |= _numbers(one.get("nodeset", ""))
    return frozenset(found)


def _numbers(text: str) -> set[int]:
    """Read libvirt's own notation of sets: ``0-3,^2,8``."""
    found: set[int] = set()
    for part in text.replace(" ", "").split(","):
        first, _, last = part.removeprefix("^").partition("-")
        if not first.isdigit():
            continue
        numbers = set(range(int(first), int(last or first) + 1))
        found = found - numbers if part.startswith("^") else found | numbers
    return found
