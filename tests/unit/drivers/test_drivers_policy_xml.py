"""Goal: a promise in a VM's metadata is read as it was meant, or refused; never half of it.

And what is written is read back the same, with all that was not written still there.
"""

import xml.etree.ElementTree as ET
from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from godwit.core.errors import BadValue
from godwit.core.model import Probe, VmPolicy
from godwit.drivers.libvirt.policy_xml import (
    NAMESPACE,
    edit_policy,
    read_policy,
    read_policy_element,
)


def domain(attributes: str = "", inside: str = "") -> ET.Element:
    """A domain with a policy."""
    vm = f'<g:vm xmlns:g="{NAMESPACE}" {attributes}>{inside}</g:vm>'
    return ET.fromstring(f"<domain><metadata>{vm}</metadata></domain>")


def test_a_policy_is_read_whole() -> None:
    attributes = (
        'downtime-max="300ms" downtime-target="0.1s" longer-downtime="5s" deadline="10m" '
        'throttle="yes" postcopy="no" priority="-5"'
    )
    inside = (
        '<g:label name="tier" value="gold"/><g:label name="team" value=""/>'
        '<g:affinity group="db"/><g:anti-affinity group="web"/><g:anti-affinity group="a"/>'
        '<g:probe address="192.0.2.7" tcp="443"/>'
    )

    policy = read_policy(domain(attributes, inside))

    assert policy == VmPolicy(
        pause_max_s=0.3,
        pause_target_s=0.1,
        pause_longer_s=5.0,
        deadline_s=600.0,
        may_throttle=True,
        may_postcopy=False,
        priority=-5,
        labels={"tier": "gold", "team": ""},
        affinity=("db",),
        anti_affinity=("a", "web"),
        probe=Probe(address="192.0.2.7", tcp_port=443),
        given=frozenset(one.name for one in fields(VmPolicy)) - {"given"},
    )


def test_only_what_the_vm_itself_says_is_given() -> None:
    """A site's rule fills the others: also one that says what is the default anyway is given."""
    assert read_policy(domain()).given == frozenset()
    assert read_policy(domain('throttle="no"')).given == {"may_throttle"}
    assert read_policy(ET.fromstring("<domain/>")) == VmPolicy()


def test_the_old_name_of_the_promise_is_still_a_promise() -> None:
    policy = read_policy(domain('pause-max="300ms"', '<g:anti-affinity group="web"/>'))

    assert (policy.pause_max_s, policy.anti_affinity) == (0.3, ("web",))
    assert policy.given == {"pause_max_s", "anti_affinity"}


@pytest.mark.parametrize(
    ("attributes", "inside", "says"),
    [
        ('downtime-max="soon"', "", "metadata can't be understood: downtime-max: 'soon'"),
        ('pause-max="soon"', "", "pause-max: 'soon'"),
        ('downtime-max="0s"', "", "downtime-max is not above zero"),
        ('downtime-max="1s" pause-max="1s"', "", "both downtime-max and pause-max"),
        ('downtime-max="1s" downtime-target="2s"', "", "downtime-target is above"),
        ('downtime-max="3s" longer-downtime="2s"', "", "longer-downtime is below"),
        ('deadline="0"', "", "deadline is not above zero"),
        ('throttle="true"', "", "throttle is 'true', neither yes nor no"),
        ('postcopy=""', "", "postcopy is '', neither yes nor no"),
        ('priority="high"', "", "priority 'high' is not a whole number"),
        ('pausemax="1s"', "", "unknown attribute 'pausemax'"),
        ("", '<g:antiaffinity group="web"/>', "unknown element 'antiaffinity'"),
        ("", '<probe address="192.0.2.7"/>', "unknown element 'probe'"),
        ("", '<g:label name="a"/>', "a <label> without"),
        ("", '<g:label name="a" value="1"/><g:label name="a" value="2"/>', "two labels 'a'"),
        ("", "<g:probe/>", "a <probe> without an address"),
        ("", "<g:affinity/>", "an <affinity> without a group"),
    ],
)
def test_what_can_not_be_understood_is_named(attributes: str, inside: str, says: str) -> None:
    with pytest.raises(BadValue, match=says):
        read_policy(domain(attributes, inside))


_MS = st.integers(1, 10**8).map(lambda ms: ms / 1000)
_WORDS = st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=8)
_POLICIES = st.builds(
    VmPolicy,
    pause_max_s=_MS,
    pause_target_s=st.none() | _MS,
    pause_longer_s=st.none() | _MS,
    deadline_s=st.none() | _MS,
    may_throttle=st.booleans(),
    may_postcopy=st.booleans(),
    affinity=st.sets(_WORDS, max_size=3).map(sorted).map(tuple),
    anti_affinity=st.sets(_WORDS, max_size=3).map(sorted).map(tuple),
    priority=st.integers(-100, 100),
    probe=st.none() | st.builds(Probe, address=_WORDS, tcp_port=st.none() | st.integers(1, 65535)),
    labels=st.dictionaries(_WORDS, _WORDS, max_size=3),
    given=st.sets(st.sampled_from([one.name for one in fields(VmPolicy) if one.name != "given"])),
)


@given(old=_POLICIES, new=_POLICIES, bare=st.booleans())
def test_what_is_written_is_read_back_and_what_is_not_given_stays(
    old: VmPolicy, new: VmPolicy, bare: bool
) -> None:
    """In both forms: with the namespace, and as libvirt shows the element by itself."""
    element = ET.Element("vm" if bare else f"{{{NAMESPACE}}}vm")
    try:
        edit_policy(element, old)
        before = read_policy_element(element)
        edit_policy(element, new)
    except BadValue:
        return  # limits that contradict each other
    after = read_policy_element(ET.fromstring(ET.tostring(element)))

    for one in fields(VmPolicy):
        if one.name != "given":
            wanted = new if one.name in new.given else before
            assert getattr(after, one.name) == (
                _default(one.name) if _is_nothing(wanted, one.name) else getattr(wanted, one.name)
            )


def _is_nothing(policy: VmPolicy, name: str) -> bool:
    return getattr(policy, name) in (None, (), {})


def _default(name: str) -> object:
    return getattr(VmPolicy(), name)


def test_writing_keeps_comments_and_replaces_the_old_name() -> None:
    parser = ET.XMLParser(target=ET.TreeBuilder(insert_comments=True))
    text = '<vm pause-max="2s" priority="3"><!-- agreed in May --><affinity group="db"/></vm>'
    element = ET.fromstring(text, parser)

    edit_policy(element, VmPolicy(pause_max_s=0.25, given=frozenset({"pause_max_s"})))

    assert ET.tostring(element, encoding="unicode") == (
        '<vm priority="3" downtime-max="250ms"><!-- agreed in May --><affinity group="db" /></vm>'
    )


def test_writing_mends_the_field_that_it_writes_and_refuses_what_stays_wrong() -> None:
    wrong = ET.fromstring('<vm downtime-max="soon"/>')
    edit_policy(wrong, VmPolicy(pause_max_s=0.25, given=frozenset({"pause_max_s"})))
    assert wrong.attrib == {"downtime-max": "250ms"}

    with pytest.raises(BadValue, match="unknown attribute 'dealine'"):
        edit_policy(
            ET.fromstring('<vm dealine="5m"/>'),
            replace(VmPolicy(), priority=1, given=frozenset({"priority"})),
        )
