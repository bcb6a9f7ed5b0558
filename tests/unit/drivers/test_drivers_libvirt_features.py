"""Goal: a host is believed to have what its versions have, and nothing on a guess."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from godwit.core.model import Feature, HostVersions
from godwit.drivers.libvirt.features import features_of, needs

OLD = frozenset({Feature.MULTIFD, Feature.XBZRLE, Feature.THROTTLE, Feature.POSTCOPY})
DEBIAN_12 = OLD | {Feature.POSTCOPY_RECOVERY}
_VERSIONS = st.builds(
    HostVersions, libvirt=st.integers(0, 13_000_000), qemu=st.integers(1, 13_000_000)
)


@pytest.mark.parametrize(
    ("libvirt", "qemu", "features"),
    [
        (9_000_000, 7_002_022, DEBIAN_12),
        (9_003_000, 8_000_000, DEBIAN_12),
        (9_004_000, 8_000_000, DEBIAN_12 | {Feature.ZSTD}),
        (8_004_000, 7_002_000, OLD),
        (11_001_000, 8_001_000, DEBIAN_12 | {Feature.ZSTD}),
        (11_000_000, 10_000_013, DEBIAN_12 | {Feature.ZSTD}),
        (11_001_000, 10_000_013, frozenset(Feature)),
        (11_003_000, 10_000_013, frozenset(Feature) - {Feature.POSTCOPY_RECOVERY}),
        (11_004_000, 10_000_013, frozenset(Feature)),
    ],
)
def test_features_by_version(libvirt: int, qemu: int, features: frozenset[Feature]) -> None:
    assert features_of(HostVersions(libvirt=libvirt, qemu=qemu), is_live=True) == features


def test_a_host_that_can_not_migrate_live_has_none() -> None:
    versions = HostVersions(libvirt=11_003_000, qemu=10_000_013)

    assert features_of(versions, is_live=False) == frozenset()
    assert features_of(HostVersions(libvirt=11_003_000, qemu=0), is_live=True) == frozenset()


@given(_VERSIONS, _VERSIONS)
def test_an_update_takes_no_feature_away_but_what_came_broken(
    one: HostVersions, other: HostVersions
) -> None:
    newer = HostVersions(libvirt=max(one.libvirt, other.libvirt), qemu=max(one.qemu, other.qemu))

    lost = features_of(one, is_live=True) - features_of(newer, is_live=True)

    assert lost <= {Feature.POSTCOPY_RECOVERY}
    assert not lost or 11_002_000 <= newer.libvirt < 11_004_000


def test_each_feature_has_its_versions() -> None:
    assert all(needs(one).libvirt > 0 and needs(one).qemu > 0 for one in Feature)
