"""Goal: where the rest of a copy is going is told from two passes, exactly where the curve is one.

Method: guests that write W (1 - exp(-R t / W)) in a pass of t; the answer must solve the equation.
"""

import math

import hypothesis.strategies as st
from hypothesis import assume, given

from godwit.core.precopy.trend import Trend
from godwit.core.units import MIB
from tests.unit.core.builders import round_

LINK = 100.0 * MIB


@given(
    st.floats(10, 4000),
    st.floats(0.05, 20),
    st.floats(0.2, 10),
    st.floats(1.3, 20),
    st.floats(0, 0.9),
)
def test_it_settles_where_a_pass_of_the_rest_leaves_the_rest(
    set_mib: float, heat: float, last_s: float, times: float, limit_share: float
) -> None:
    """``heat``: how many times faster than the link it writes, as long as all pages are new."""
    set_bytes, rate = set_mib * MIB, heat * LINK
    filled = rate * last_s / set_bytes
    # Fuller than this two windows look alike, emptier than this nothing is seen of the set.
    assume(0.01 < filled < 5)

    def written(window_s: float) -> float:
        return set_bytes * -math.expm1(-rate * window_s / set_bytes)

    rounds = (round_(2, leaves=100), round_(3, leaves=90))
    trend = Trend(
        rounds=rounds,
        stalled=(),
        bandwidth_bytes_per_s=LINK,
        carried_bytes_per_s=LINK,
        windows=tuple((each_s, written(each_s)) for each_s in (last_s * times, last_s)),
    )
    limit_bytes = limit_share * set_bytes
    settles = trend.settles_bytes(limit_bytes)
    assert settles is not None
    assert limit_bytes <= settles <= set_bytes * 1.0001
    again = limit_bytes + (1 - limit_bytes / set_bytes) * written((settles - limit_bytes) / LINK)
    assert math.isclose(settles, again, rel_tol=1e-3)
    if settles < limit_bytes * 1.0001 + 1:
        # Only where it writes slower than the link what others than those unsent are.
        assert heat * (1 - limit_share) <= 1.01
