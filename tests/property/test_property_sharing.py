"""Goal: whatever migrates over a link, its shares fit the link and nobody gets nothing.

Method: Hypothesis draws links and flows; shares are asked for, and asked for again from what they
gave.
"""

from dataclasses import replace

import hypothesis.strategies as st
from hypothesis import given, settings

from godwit.core.model import VmId
from godwit.core.precopy.sharing import Flow, share
from godwit.core.units import GIB, MIB

FLOWS = st.lists(
    st.builds(
        Flow,
        vm=st.integers(0, 99).map(lambda n: VmId(f"vm{n}")),
        remaining_bytes=st.floats(0, 64 * GIB),
        dirty_bytes_per_s=st.floats(0, GIB),
        working_set_bytes=st.floats(0, 4 * GIB),
        pause_limit_s=st.floats(0.01, 2),
        priority=st.integers(-1, 1),
        most_bytes_per_s=st.none() | st.floats(MIB, 4 * GIB),
        now_bytes_per_s=st.none() | st.floats(1, 4 * GIB),
    ),
    max_size=8,
    unique_by=lambda one: one.vm,
)
LINKS = st.floats(MIB, 4 * GIB)


@settings(max_examples=300)
@given(LINKS, FLOWS)
def test_shares_fit_the_link_and_each_limit_and_none_is_nothing(
    link_bytes_per_s: float, flows: list[Flow]
) -> None:
    given_shares = share(link_bytes_per_s, flows)
    assert [one.vm for one in given_shares] == [one.vm for one in flows]
    assert sum(one.bytes_per_s for one in given_shares) <= link_bytes_per_s * (1 + 1e-9)
    for one, flow in zip(given_shares, flows, strict=True):
        assert one.bytes_per_s > 0
        assert one.bytes_per_s <= (flow.most_bytes_per_s or link_bytes_per_s)


@settings(max_examples=200)
@given(LINKS, FLOWS)
def test_asked_again_they_are_the_same_and_the_order_of_asking_is_nothing(
    link_bytes_per_s: float, flows: list[Flow]
) -> None:
    said = share(link_bytes_per_s, flows)
    first = {one.vm: one.bytes_per_s for one in said}
    now = [
        replace(flow, now_bytes_per_s=one.bytes_per_s, is_first=one.is_first)
        for flow, one in zip(flows, said, strict=True)
    ]
    again = {one.vm: one.bytes_per_s for one in share(link_bytes_per_s, now)}
    backwards = {one.vm: one.bytes_per_s for one in share(link_bytes_per_s, now[::-1])}
    assert again == backwards
    assert all(abs(again[vm] - first[vm]) <= 1e-6 * link_bytes_per_s for vm in first)
