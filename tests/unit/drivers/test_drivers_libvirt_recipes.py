"""Goal: libvirt is told the whole recipe and nothing else, whatever the recipe is."""

from dataclasses import replace

import libvirt
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from godwit.core.model import Feature, VmId
from godwit.core.plan import Compression, Recipe, Throttle
from godwit.drivers.libvirt.recipes import migrate_call, percent, rate_mib
from godwit.ports import MigrationOrder

PLAIN = Recipe(pause_start_s=0.02, pause_max_s=1.0)
ORDER = MigrationOrder(
    vm=VmId("uuid-of-web"),
    peer_uri="qemu+tls://b/system",
    migration_address=None,
    persistent=False,
    recipe=PLAIN,
)
ALWAYS = (
    libvirt.VIR_MIGRATE_LIVE | libvirt.VIR_MIGRATE_PEER2PEER | libvirt.VIR_MIGRATE_ABORT_ON_ERROR
)
ALL = frozenset(Feature)


def told(recipe: Recipe, features: frozenset[Feature] = ALL) -> tuple[int, dict[str, int | str]]:
    """The flags beyond those of every migration, and the parameters."""
    call = migrate_call(replace(ORDER, recipe=recipe), features)
    assert call.flags & ALWAYS == ALWAYS
    return call.flags & ~ALWAYS, call.parameters


def test_a_plain_recipe_says_nothing_more() -> None:
    assert told(PLAIN) == (0, {})


def test_a_persistent_vm_moves_with_its_definition() -> None:
    call = migrate_call(replace(ORDER, persistent=True, migration_address="fd00::7"), ALL)

    assert call.flags & ~ALWAYS == (
        libvirt.VIR_MIGRATE_PERSIST_DEST | libvirt.VIR_MIGRATE_UNDEFINE_SOURCE
    )
    assert call.parameters == {"migrate_uri": "tcp://[fd00::7]"}


@pytest.mark.parametrize(
    ("recipe", "flags", "parameters"),
    [
        (
            replace(PLAIN, channels=3),
            libvirt.VIR_MIGRATE_PARALLEL,
            {"parallel.connections": 3},
        ),
        (
            replace(PLAIN, channels=2, compression=Compression.ZSTD),
            libvirt.VIR_MIGRATE_PARALLEL | libvirt.VIR_MIGRATE_COMPRESSED,
            {"parallel.connections": 2, "compression": "zstd"},
        ),
        (
            replace(PLAIN, compression=Compression.XBZRLE),
            libvirt.VIR_MIGRATE_COMPRESSED,
            {"compression": "xbzrle"},
        ),
        (
            replace(PLAIN, compression=Compression.XBZRLE, xbzrle_cache_bytes=2**28),
            libvirt.VIR_MIGRATE_COMPRESSED,
            {"compression": "xbzrle", "compression.xbzrle.cache": 2**28},
        ),
        (
            replace(PLAIN, throttle=Throttle(initial_fraction=0.05, increment_fraction=0.3)),
            libvirt.VIR_MIGRATE_AUTO_CONVERGE,
            {"auto_converge.initial": 5, "auto_converge.increment": 1},
        ),
        (replace(PLAIN, postcopy=True), libvirt.VIR_MIGRATE_POSTCOPY, {}),
        (replace(PLAIN, bandwidth_bytes_per_s=50e6), 0, {"bandwidth": 48}),
        (
            replace(PLAIN, postcopy=True, bandwidth_bytes_per_s=50e6, bandwidth_is_hard=True),
            libvirt.VIR_MIGRATE_POSTCOPY,
            {"bandwidth": 48, "bandwidth.postcopy": 48},
        ),
        (
            replace(PLAIN, bandwidth_bytes_per_s=50e6, switchover_bytes_per_s=125e6),
            0,
            {"bandwidth": 48, "bandwidth.avail.switchover": 119},
        ),
    ],
)
def test_each_part_of_a_recipe_in_the_words_of_libvirt(
    recipe: Recipe, flags: int, parameters: dict[str, int | str]
) -> None:
    assert told(recipe) == (flags, parameters)


def test_the_hint_is_kept_from_a_host_that_does_not_know_it() -> None:
    """A migration with a parameter that libvirt does not know is refused."""
    recipe = replace(PLAIN, switchover_bytes_per_s=125e6)

    assert told(recipe, ALL - {Feature.SWITCHOVER_HINT}) == (0, {})


@given(st.builds(Throttle), st.none() | st.floats(1e5, 1e10), st.booleans())
def test_a_resumption_is_the_same_call_with_one_flag_more(
    throttle: Throttle, bandwidth_bytes_per_s: float | None, hard: bool
) -> None:
    recipe = replace(
        PLAIN,
        postcopy=True,
        throttle=throttle,
        bandwidth_bytes_per_s=bandwidth_bytes_per_s,
        bandwidth_is_hard=hard,
    )
    order = replace(ORDER, recipe=recipe, persistent=True, migration_address="192.0.2.7")

    first = migrate_call(order, ALL)
    again = migrate_call(replace(order, resume=True), ALL)

    assert again.parameters == first.parameters
    assert again.flags == first.flags | libvirt.VIR_MIGRATE_POSTCOPY_RESUME
    assert not first.flags & libvirt.VIR_MIGRATE_POSTCOPY_RESUME


@given(
    st.integers(0, 8), st.sampled_from(Compression), st.booleans(), st.none() | st.builds(Throttle)
)
def test_channels_never_meet_post_copy_and_zstd_never_goes_without_them(
    channels: int, compression: Compression, postcopy: bool, throttle: Throttle | None
) -> None:
    try:
        recipe = replace(
            PLAIN,
            channels=channels,
            compression=compression,
            postcopy=postcopy,
            throttle=throttle,
        )
    except ValueError:
        assume(False)  # there is no such recipe
    flags, parameters = told(recipe)

    assert not (flags & libvirt.VIR_MIGRATE_PARALLEL and flags & libvirt.VIR_MIGRATE_POSTCOPY)
    if parameters.get("compression") == "zstd":
        assert flags & libvirt.VIR_MIGRATE_PARALLEL
    if parameters.get("compression") == "xbzrle":
        assert not flags & libvirt.VIR_MIGRATE_PARALLEL


@given(st.floats(0, 1e12))
def test_a_limit_is_never_told_as_none_at_all(rate_bytes_per_s: float) -> None:
    assert rate_mib(rate_bytes_per_s) >= 1


@given(st.floats(0.0, 1.0))
def test_a_throttle_is_within_what_qemu_takes(fraction: float) -> None:
    assert 1 <= percent(fraction) <= 99
