"""The settings of a migration outside its call: put in before, changed meanwhile, taken back.

Blocking functions, for a thread. What is set here belongs to the VM's hypervisor, not to one
migration, and outlives a migration that fails. libvirt takes back what it was told in the call (and
with it an increment of the throttle that was raised meanwhile); the rest is ours to restore.
"""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import libvirt

from godwit.core.plan import Recipe, Throttle
from godwit.drivers.libvirt.migrating import set_pause_limit
from godwit.drivers.libvirt.monitor import ask_monitor
from godwit.drivers.libvirt.recipes import percent, rate_mib

__all__ = [
    "Settings",
    "raise_throttle",
    "read_settings",
    "restore_settings",
    "set_bandwidth",
    "set_up",
    "start_postcopy",
]

#: libvirt's own word for "unlimited": what 64 bits of bytes hold, in MiB.
_UNLIMITED_MIB: Final = (2**63 - 1) // 2**20
#: The bounds of a throttle in QEMU. One is checked against the other: they are set together.
_INITIAL: Final = "cpu-throttle-initial"
_INCREMENT: Final = "cpu-throttle-increment"
_MOST: Final = "max-cpu-throttle"
#: QEMU's own upper bound, which libvirt leaves as it is.
_MOST_PERCENT_DEFAULT: Final = 99


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a VM had before. ``throttle`` is empty where nothing of it is changed."""

    pause_limit_ms: int
    speed_mib: int
    throttle: Mapping[str, int]


def read_settings(domain: "libvirt.virDomain", recipe: Recipe) -> Settings:
    """Read what ``set_up`` and the orders during a migration of this recipe may change."""
    throttle: dict[str, int] = {}
    if recipe.throttle is not None and _is_bounded(recipe.throttle):
        found = ask_monitor(domain, "query-migrate-parameters")
        throttle = {key: found[key] for key in (_INITIAL, _MOST) if key in found}
    return Settings(
        pause_limit_ms=domain.migrateGetMaxDowntime(0),
        speed_mib=domain.migrateGetMaxSpeed(0),
        throttle=throttle,
    )


def set_up(domain: "libvirt.virDomain", recipe: Recipe) -> None:
    """Set what holds from the first instant of a migration: its pause limit, its throttle's end."""
    set_pause_limit(domain, recipe.pause_start_s)
    if recipe.throttle is not None and _is_bounded(recipe.throttle):
        bounds = {
            _INITIAL: percent(recipe.throttle.initial_fraction),
            _MOST: percent(recipe.throttle.most_fraction),
        }
        ask_monitor(domain, "migrate-set-parameters", bounds)


def _is_bounded(throttle: Throttle) -> bool:
    return percent(throttle.most_fraction) < _MOST_PERCENT_DEFAULT


def restore_settings(domain: "libvirt.virDomain", before: Settings) -> None:
    """Put back what a migration that failed has left; what is refused keeps no other back.

    Raises: what was refused, after all was tried.
    """
    with contextlib.ExitStack() as undo:
        # Carried out from the last to the first, each whatever became of the others.
        if before.throttle:
            undo.callback(ask_monitor, domain, "migrate-set-parameters", before.throttle)
        undo.callback(_restore_speed, domain, before.speed_mib)
        undo.callback(domain.migrateSetMaxDowntime, before.pause_limit_ms, 0)


def _restore_speed(domain: "libvirt.virDomain", speed_mib: int) -> None:
    if domain.migrateGetMaxSpeed(0) != speed_mib:
        domain.migrateSetMaxSpeed(speed_mib, 0)


def set_bandwidth(domain: "libvirt.virDomain", bytes_per_s: float | None) -> None:
    """Limit the memory stream of the running migration; None lifts the limit.

    It is also the default of the VM's later migrations, until it is restored.
    """
    speed_mib = _UNLIMITED_MIB if bytes_per_s is None else rate_mib(bytes_per_s)
    domain.migrateSetMaxSpeed(speed_mib, 0)


def raise_throttle(domain: "libvirt.virDomain", increment_fraction: float) -> None:
    """Slow the vCPUs by this much more at each sync at which they are too fast.

    libvirt has no call for it. It remembers what stood before the start, and restores that when
    the migration fails.
    """
    ask_monitor(domain, "migrate-set-parameters", {_INCREMENT: percent(increment_fraction)})


def start_postcopy(domain: "libvirt.virDomain") -> None:
    """Switch to post-copy at the next step of the copy."""
    domain.migrateStartPostCopy(0)
