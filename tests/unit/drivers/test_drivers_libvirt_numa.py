"""Goal: cells and huge pages are read as libvirt writes them; what is not told is not known.

Method: XML in the shape that libvirt prints on a server with two sockets.
"""

import xml.etree.ElementTree as ET

import pytest

from godwit.core.model import NumaCell, Pages
from godwit.core.units import GIB, KIB, MIB
from godwit.drivers.libvirt.domain_xml import read_domain_xml
from godwit.drivers.libvirt.numa_xml import read_bound_cells, read_cells, read_huge_page_size

CAPABILITIES = """
<capabilities>
  <host>
    <uuid>4c4c4544-0051-3510-8052-b4c04f4e3533</uuid>
    <cpu>
      <arch>x86_64</arch>
      <model>Cascadelake-Server-noTSX</model>
      <topology sockets='1' dies='1' clusters='1' cores='4' threads='2'/>
      <pages unit='KiB' size='4'/>
      <pages unit='KiB' size='2048'/>
      <pages unit='KiB' size='1048576'/>
    </cpu>
    <topology>
      <cells num='2'>
        <cell id='0'>
          <memory unit='KiB'>65704104</memory>
          <pages unit='KiB' size='4'>12228170</pages>
          <pages unit='KiB' size='2048'>4096</pages>
          <pages unit='KiB' size='1048576'>8</pages>
          <distances>
            <sibling id='0' value='10'/>
            <sibling id='1' value='21'/>
          </distances>
          <cpus num='4'>
            <cpu id='0' socket_id='0' die_id='0' core_id='0' siblings='0,4'/>
            <cpu id='2' socket_id='0' die_id='0' core_id='1' siblings='2,6'/>
            <cpu id='4' socket_id='0' die_id='0' core_id='0' siblings='0,4'/>
            <cpu id='6' socket_id='0' die_id='0' core_id='1' siblings='2,6'/>
          </cpus>
        </cell>
        <cell id='1'>
          <memory unit='KiB'>66056596</memory>
          <pages unit='KiB' size='4'>16514149</pages>
          <pages unit='KiB' size='2048'>0</pages>
          <pages unit='KiB' size='1048576'>0</pages>
          <cpus num='4'>
            <cpu id='1' socket_id='1' die_id='0' core_id='0' siblings='1,5'/>
          </cpus>
        </cell>
      </cells>
    </topology>
  </host>
</capabilities>
"""


def test_the_cells_of_a_host() -> None:
    assert read_cells(ET.fromstring(CAPABILITIES)) == (
        NumaCell(
            number=0,
            memory_bytes=65704104 * KIB,
            cores=4,
            pages=(
                Pages(page_bytes=4 * KIB, count=12228170),
                Pages(page_bytes=2 * MIB, count=4096),
                Pages(page_bytes=GIB, count=8),
            ),
        ),
        NumaCell(
            number=1,
            memory_bytes=66056596 * KIB,
            cores=4,
            pages=(
                Pages(page_bytes=4 * KIB, count=16514149),
                Pages(page_bytes=2 * MIB, count=0),
                Pages(page_bytes=GIB, count=0),
            ),
        ),
    )


@pytest.mark.parametrize(
    "text",
    [
        "<capabilities><host/></capabilities>",
        "<capabilities><host><topology><cells num='0'/></topology></host></capabilities>",
    ],
)
def test_a_host_that_does_not_tell_its_cells_is_unknown(text: str) -> None:
    assert read_cells(ET.fromstring(text)) is None


def domain(inside: str) -> ET.Element:
    return ET.fromstring(f"<domain type='kvm'><name>web1</name>{inside}</domain>")


@pytest.mark.parametrize(
    ("inside", "size_bytes"),
    [
        ("", None),
        ("<memoryBacking><locked/></memoryBacking>", None),
        ("<memoryBacking><hugepages/></memoryBacking>", 0),
        (
            "<memoryBacking><hugepages><page size='2048' unit='KiB'/></hugepages></memoryBacking>",
            2 * MIB,
        ),
        (
            """<memoryBacking><hugepages><page size='1' unit='G' nodeset='0-3,5'/>
            <page size='2' unit='M' nodeset='4'/></hugepages></memoryBacking>""",
            GIB,
        ),
    ],
)
def test_the_pages_that_a_domain_asks_for(inside: str, size_bytes: int | None) -> None:
    assert read_huge_page_size(domain(inside)) == size_bytes


@pytest.mark.parametrize(
    ("inside", "cells"),
    [
        ("", set()),
        ("<numatune><memory mode='strict' nodeset='1-4,^3'/></numatune>", {1, 2, 4}),
        ("<numatune><memory mode='preferred' nodeset='0'/></numatune>", set()),
        ("<numatune><memory mode='strict' placement='auto'/></numatune>", set()),
        (
            """<numatune><memory mode='preferred' nodeset='5'/>
            <memnode cellid='0' mode='strict' nodeset='1'/>
            <memnode cellid='2' mode='preferred' nodeset='2'/></numatune>""",
            {1},
        ),
    ],
)
def test_the_cells_that_a_domain_is_bound_to(inside: str, cells: set[int]) -> None:
    assert read_bound_cells(domain(inside)) == cells


def test_a_domain_is_read_with_both() -> None:
    text = ET.tostring(
        domain(
            "<memory unit='KiB'>1048576</memory>"
            "<memoryBacking><hugepages/></memoryBacking>"
            "<numatune><memory mode='strict' nodeset='0'/></numatune>"
        ),
        encoding="unicode",
    )
    facts = read_domain_xml(text)
    assert (facts.huge_page_bytes, facts.numa_cells) == (0, {0})
