"""What a host's hypervisor can do in a migration, from the versions that libvirt and QEMU say.

libvirt has no question for it: its capabilities name ``live`` and the transports, nothing of the
means. So each feature has the versions from which it can be relied upon, in one table. What a
version can't tell is found when a migration is prepared, before the guest is touched: a QEMU built
without zstd, or a kernel that does not let QEMU take page faults (``userfaultfd``), which
post-copy needs at the destination.

What excludes what is no matter of a host and stands in ``godwit.core.plan.Recipe``: channels with
xbzrle (QEMU refuses), channels with post-copy (QEMU 7.2 accepts it and breaks the guest, 10.0
refuses, libvirt checks nothing), zstd without channels.

A VM keeps the QEMU that it was started with when the host's is updated. The versions here are the
host's; a running VM that is older has its call refused by its QEMU before anything is sent.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from godwit.core.model import Feature, HostVersions

__all__ = ["Needs", "features_of", "needs"]


class Needs(NamedTuple):
    """The first versions with which a feature works, in libvirt's numbering."""

    libvirt: int
    qemu: int


_NEEDS: Final[Mapping[Feature, Needs]] = MappingProxyType(
    {
        Feature.MULTIFD: Needs(libvirt=5_002_000, qemu=4_000_000),
        # Before 9.4 libvirt has no compression for channels.
        Feature.ZSTD: Needs(libvirt=9_004_000, qemu=5_000_000),
        Feature.XBZRLE: Needs(libvirt=1_000_003, qemu=1_002_000),
        # Its bounds (initial, increment) came later than auto-converge itself.
        Feature.THROTTLE: Needs(libvirt=2_000_000, qemu=2_010_000),
        Feature.POSTCOPY: Needs(libvirt=1_003_003, qemu=2_005_000),
        # VIR_MIGRATE_POSTCOPY_RESUME and the states of a broken one. Before libvirt 11.0 and QEMU
        # 9.1 the call may report a failure although the recovery succeeds: both sides are read.
        Feature.POSTCOPY_RECOVERY: Needs(libvirt=8_005_000, qemu=3_000_000),
        Feature.SWITCHOVER_HINT: Needs(libvirt=11_001_000, qemu=8_002_000),
    }
)
#: Versions of libvirt in which a feature is broken: from the first on, until the second.
_BROKEN: Final[Mapping[Feature, tuple[int, int]]] = MappingProxyType(
    {
        # The daemon of the destination crashes when a broken post-copy is to be taken up again
        # (libvirt's release notes of 11.4.0; seen with 11.3.0, which is Debian 13's).
        Feature.POSTCOPY_RECOVERY: (11_002_000, 11_004_000),
    }
)


def needs(feature: Feature) -> Needs:
    """Return the first versions that have a feature."""
    return _NEEDS[feature]


def features_of(versions: HostVersions, *, is_live: bool) -> frozenset[Feature]:
    """Return what a host has; nothing where its driver can't migrate live or QEMU is missing."""
    if not is_live or not versions.qemu:
        return frozenset()
    return frozenset(
        feature
        for feature, first in _NEEDS.items()
        if versions.libvirt >= first.libvirt and versions.qemu >= first.qemu
        if not _is_broken(feature, versions.libvirt)
    )


def _is_broken(feature: Feature, libvirt: int) -> bool:
    first, mended = _BROKEN.get(feature, (0, 0))
    return first <= libvirt < mended
