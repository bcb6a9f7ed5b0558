"""Goal: a promise in a VM's metadata is read as it was meant, or refused; never half of it."""

import xml.etree.ElementTree as ET

import pytest

from godwit.core.errors import BadValue
from godwit.drivers.libvirt.policy_xml import NAMESPACE, read_policy


def domain(attributes: str = "", inside: str = "") -> ET.Element:
    """A domain with a policy."""
    vm = f'<g:vm xmlns:g="{NAMESPACE}" {attributes}>{inside}</g:vm>'
    return ET.fromstring(f"<domain><metadata>{vm}</metadata></domain>")


def test_a_policy_is_read_whole() -> None:
    policy = read_policy(domain('pause-max="300ms"', '<g:anti-affinity group="web"/>'))

    assert (policy.pause_max_s, policy.anti_affinity) == (0.3, ("web",))


@pytest.mark.parametrize(
    ("attributes", "inside", "says"),
    [
        ('pause-max="soon"', "", "metadata can't be understood: pause-max: 'soon'"),
        ('pausemax="1s"', "", "unknown attribute 'pausemax'"),
        ("", '<g:antiaffinity group="web"/>', "unknown element 'antiaffinity'"),
    ],
)
def test_what_can_not_be_understood_is_named(attributes: str, inside: str, says: str) -> None:
    with pytest.raises(BadValue, match=says):
        read_policy(domain(attributes, inside))
