"""What a recipe is in libvirt's words: the flags and parameters of the migrate call. Pure.

Compression levels stay QEMU's own (1 for zstd, the fastest): the Python binding of libvirt 9.0
can't hand them over, as it does not know their type.
"""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final

import libvirt

from godwit.core.model import Feature
from godwit.core.plan import Compression, Recipe
from godwit.core.units import MIB
from godwit.ports import MigrationOrder

__all__ = ["MigrateCall", "migrate_call", "percent", "rate_mib"]

#: Live, peer to peer (a dead controller changes nothing), given up on an I/O error of the guest.
_FLAGS: Final = (
    libvirt.VIR_MIGRATE_LIVE | libvirt.VIR_MIGRATE_PEER2PEER | libvirt.VIR_MIGRATE_ABORT_ON_ERROR
)
_PERSISTENT: Final = libvirt.VIR_MIGRATE_PERSIST_DEST | libvirt.VIR_MIGRATE_UNDEFINE_SOURCE
_RESUME: Final = libvirt.VIR_MIGRATE_POSTCOPY_RESUME
#: Bindings older than libvirt 11.1 have no name for it.
_SWITCHOVER: Final = "bandwidth.avail.switchover"
#: While throttling is only armed it rises by this at a time, QEMU's least: steering orders more.
_ARMED_INCREMENT_PERCENT: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrateCall:
    """The arguments of one ``migrateToURI3`` beside the address of the peer."""

    flags: int
    parameters: dict[str, int | str]


def migrate_call(order: MigrationOrder, features: AbstractSet[Feature]) -> MigrateCall:
    """Say what libvirt is told for an order; ``features`` are those of the source."""
    parameters: dict[str, int | str] = {}
    flags = _FLAGS | (_PERSISTENT if order.persistent else 0)
    if order.migration_address is not None:
        parameters[libvirt.VIR_MIGRATE_PARAM_URI] = _migrate_uri(order.migration_address)
    flags |= _stream(order.recipe, parameters)
    flags |= _permissions(order.recipe, parameters)
    _bandwidth(order.recipe, parameters, features)
    if order.resume:
        flags |= _RESUME
    return MigrateCall(flags=flags, parameters=parameters)


def _migrate_uri(address: str) -> str:
    return f"tcp://[{address}]" if ":" in address else f"tcp://{address}"


def _stream(recipe: Recipe, parameters: dict[str, int | str]) -> int:
    flags = 0
    if recipe.channels:
        # libvirt lets channels pass together with post-copy, and QEMU 7.2 breaks the guest then.
        assert not recipe.postcopy, "a recipe refuses channels with post-copy"
        flags |= libvirt.VIR_MIGRATE_PARALLEL
        parameters[libvirt.VIR_MIGRATE_PARAM_PARALLEL_CONNECTIONS] = recipe.channels
    if recipe.compression is not Compression.NONE:
        flags |= libvirt.VIR_MIGRATE_COMPRESSED
        parameters[libvirt.VIR_MIGRATE_PARAM_COMPRESSION] = recipe.compression.value
    if recipe.xbzrle_cache_bytes is not None:
        cache_bytes = recipe.xbzrle_cache_bytes
        parameters[libvirt.VIR_MIGRATE_PARAM_COMPRESSION_XBZRLE_CACHE] = cache_bytes
    return flags


def _permissions(recipe: Recipe, parameters: dict[str, int | str]) -> int:
    """Arm what steering may order later: neither can be added once the migration runs."""
    flags = 0
    if recipe.throttle is not None:
        flags |= libvirt.VIR_MIGRATE_AUTO_CONVERGE
        initial_percent = percent(recipe.throttle.initial_fraction)
        parameters[libvirt.VIR_MIGRATE_PARAM_AUTO_CONVERGE_INITIAL] = initial_percent
        parameters[libvirt.VIR_MIGRATE_PARAM_AUTO_CONVERGE_INCREMENT] = _ARMED_INCREMENT_PERCENT
    if recipe.postcopy:
        flags |= libvirt.VIR_MIGRATE_POSTCOPY
    return flags


def _bandwidth(
    recipe: Recipe, parameters: dict[str, int | str], features: AbstractSet[Feature]
) -> None:
    if recipe.bandwidth_bytes_per_s is not None:
        limit_mib = rate_mib(recipe.bandwidth_bytes_per_s)
        parameters[libvirt.VIR_MIGRATE_PARAM_BANDWIDTH] = limit_mib
        if recipe.postcopy and recipe.bandwidth_is_hard:
            # The limit of the copy ends with it; a person's limit holds for what follows too.
            parameters[libvirt.VIR_MIGRATE_PARAM_BANDWIDTH_POSTCOPY] = limit_mib
    if recipe.switchover_bytes_per_s is not None and Feature.SWITCHOVER_HINT in features:
        # Rounded down: QEMU must not believe that more fits into the pause than does.
        parameters[_SWITCHOVER] = max(1, int(recipe.switchover_bytes_per_s / MIB))


def rate_mib(rate_bytes_per_s: float) -> int:
    """Return a rate in libvirt's MiB/s: a whole number, and never 0, which lifts a limit."""
    return max(1, round(rate_bytes_per_s / MIB))


def percent(fraction: float) -> int:
    """Return a fraction of time as QEMU takes it: a whole percentage from 1 to 99."""
    return min(99, max(1, round(fraction * 100)))
