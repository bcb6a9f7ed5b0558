"""What is known of a VM's memory and of a path, as distributions that scenarios draw from."""

import math
from dataclasses import dataclass
from typing import Final

from godwit.core.model import Estimate, PathKnowledge, VmKnowledge
from godwit.core.plan import Compression, Recipe
from godwit.core.precopy import priors
from godwit.core.precopy.copying import Way
from godwit.core.precopy.priors import Known, aged
from godwit.core.units import MIB, format_bytes, format_duration, format_rate

__all__ = ["Carrier", "Fixed", "Memory", "carrier_of", "memory_of"]

#: What a guest does not call free holds some memory of the kernel that was never written. Lab: 16
#: to 20 MiB for guests of 256 MiB to 1 GiB.
_UNTOUCHED_BYTES: Final = 18.0 * MIB
_UNTOUCHED_ERROR_BYTES: Final = 4.0 * MIB


#: First passes that are not slower than this are held up by the path alone.
_SLOWER: Final = 0.85


def _drawn(known: Known, wide: float) -> float:
    return known.value * math.exp(known.spread_fraction * wide)


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Memory of a VM that has to be sent: not zero. ``ground`` says how that is known."""

    memory_bytes: int
    used_bytes: float
    spread_fraction: float
    ground: str

    def at(self, wide: float) -> float:
        """The memory in use in one scenario."""
        drawn = self.used_bytes * math.exp(self.spread_fraction * wide)
        return min(drawn, float(self.memory_bytes))


def memory_of(
    *,
    memory_bytes: int,
    resident_bytes: int | None,
    guest_used_bytes: int | None,
    vm: VmKnowledge | None,
    now_s: float,
) -> Memory:
    """Memory in use: from the last move, else as the guest says, else as the host holds."""
    if vm is not None and vm.first_pass is not None and vm.first_pass.value > 0:
        age_s = max(0.0, now_s - vm.first_pass.updated_at_s)
        known = aged(vm.first_pass, Known(value=1.0, spread_fraction=0.005), now_s, per_hour=0.03)
        return Memory(
            memory_bytes=memory_bytes,
            used_bytes=min(known.value, float(memory_bytes)),
            spread_fraction=max(0.01, known.spread_fraction),
            ground=f"memory in use {format_bytes(known.value)}, from the last move"
            f" {format_duration(age_s)} ago",
        )
    if guest_used_bytes is not None and 0 < guest_used_bytes <= memory_bytes:
        used = max(guest_used_bytes - _UNTOUCHED_BYTES, 0.5 * guest_used_bytes)
        how, spread = "as the guest says", min(0.5, 0.015 + _UNTOUCHED_ERROR_BYTES / used)
        held = (resident_bytes or 0) - priors.OVERHEAD_BYTES
        if held > used * 1.05:
            # What a guest has freed is not zero, and its host still holds it.
            used, how, spread = held, "by what its host holds for it", 0.06
    elif resident_bytes is not None and resident_bytes > 0:
        used = max(resident_bytes - priors.OVERHEAD_BYTES, 0.3 * resident_bytes)
        unsure = priors.OVERHEAD_BYTES * priors.OVERHEAD_SPREAD / max(used, 1.0)
        how, spread = "by what its host holds for it", min(0.6, unsure)
    else:
        used, how, spread = 0.5 * memory_bytes, "a guess: half of its memory", 0.45
    used = min(used, float(memory_bytes))
    return Memory(
        memory_bytes=memory_bytes,
        used_bytes=used,
        spread_fraction=spread,
        ground=f"memory in use {format_bytes(used)}, {how}",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Fixed:
    """The costs of one scenario that no bandwidth shortens."""

    setup_s: float
    ending_s: float
    pause_s: float
    outage_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Carrier:
    """A path with one kind of stream."""

    speed: Known
    first: Known
    wire: Known
    first_wire: Known
    setup: Known
    ending: Known
    pause: Known
    outage: Known
    buffered_bytes: float
    ground: str

    def way(self, *, speed: float, first: float, wire: float, busy: float, phase: float) -> Way:
        """The stream of one scenario; standard normals, ``busy`` and ``phase`` shares."""
        bandwidth = _drawn(self.speed, speed)
        first_bandwidth = bandwidth
        if self.first.value < _SLOWER * self.speed.value:
            first_bandwidth = min(bandwidth, _drawn(self.first, first))
        return Way(
            bandwidth_bytes_per_s=bandwidth,
            first_bytes_per_s=first_bandwidth,
            wire_fraction=_drawn(self.first_wire, wire),
            again_fraction=_drawn(self.wire, wire),
            busy_fraction=busy,
            unrest_fraction=priors.UNREST,
            phase_fraction=phase,
        )

    def fixed(self, *, setup: float, ending: float, pause: float, outage: float) -> Fixed:
        """The fixed costs of one scenario; the arguments are standard normals."""
        return Fixed(
            setup_s=_drawn(self.setup, setup),
            ending_s=_drawn(self.ending, ending),
            pause_s=_drawn(self.pause, pause),
            outage_s=_drawn(self.outage, outage),
        )

    def pause_reserve_s(self) -> float:
        """What a promise must leave for all but the rest; enough in nine of ten cases."""
        return _drawn(self.pause, 1.28) + self.buffered_bytes / self.speed.value

    def stall_s(self, wide: float) -> float:
        """What a client sees beyond the pause when the guest runs before its memory is there."""
        return _drawn(priors.POSTCOPY_STALL_S, wide)


def carrier_of(
    recipe: Recipe,
    *,
    path: PathKnowledge | None,
    plain: PathKnowledge | None,
    again_wire: Estimate | None = None,
    link_bytes_per_s: float | None,
    share_fraction: float,
    now_s: float,
) -> Carrier:
    """What is known of the stream of a recipe on a path.

    ``again_wire`` is what xbzrle was seen to make of the VM.
    """
    own, base = path or PathKnowledge(), plain or PathKnowledge()
    speed, ground = _speed(recipe, own, base, link_bytes_per_s, now_s)
    share = Known(
        value=speed.value * share_fraction,
        spread_fraction=math.hypot(speed.spread_fraction, 0.1 if share_fraction < 1 else 0.0),
        count=speed.count,
    )
    wire, first_wire = _wires(recipe, own.wire, again_wire, now_s)
    learnt_pause = own.pause_fixed or base.pause_fixed
    return Carrier(
        speed=share,
        first=aged(
            own.first_bandwidth or base.first_bandwidth,
            priors.FIRST_BANDWIDTH_BYTES_PER_S,
            now_s,
        ),
        wire=wire,
        first_wire=first_wire,
        setup=aged(own.setup or base.setup, priors.SETUP_S, now_s),
        ending=aged(own.ending or base.ending, priors.ENDING_S, now_s),
        pause=aged(learnt_pause, priors.PAUSE_FIXED_S, now_s),
        outage=aged(own.outage_extra or base.outage_extra, priors.OUTAGE_EXTRA_S, now_s),
        # What was learnt of a path holds its buffers already.
        buffered_bytes=0.0 if learnt_pause else priors.BUFFERED_BYTES,
        ground=ground,
    )


def _speed(
    recipe: Recipe,
    own: PathKnowledge,
    base: PathKnowledge,
    link_bytes_per_s: float | None,
    now_s: float,
) -> tuple[Known, str]:
    unknown = priors.BANDWIDTH_BYTES_PER_S
    own_speed, base_speed = _learnt_speed(own, now_s), _learnt_speed(base, now_s)
    if own_speed is not None:
        speed = own_speed
        ground = f"the path carries {format_rate(speed.value)}, {_moves(speed.count)}"
    elif base_speed is not None:
        speed = _other_stream(recipe, base_speed)
        ground = (
            f"the path carries {format_rate(base_speed.value)} in a plain stream,"
            f" {_moves(base_speed.count)}; never measured with {recipe.stream}"
        )
    elif link_bytes_per_s is not None:
        share = priors.LINK_SHARE
        plain = Known(
            value=link_bytes_per_s * share.value, spread_fraction=share.spread_fraction + 0.01
        )
        speed = _other_stream(recipe, plain)
        ground = f"a link declared with {format_rate(link_bytes_per_s)}, never measured"
    else:
        speed = _other_stream(recipe, unknown)
        ground = "nothing is known of the path's bandwidth"
    if link_bytes_per_s is not None and speed.value > link_bytes_per_s:
        speed = Known(
            value=link_bytes_per_s * priors.LINK_SHARE.value,
            spread_fraction=max(speed.spread_fraction, priors.LINK_SHARE.spread_fraction),
            count=speed.count,
        )
    return speed, ground


def _learnt_speed(path: PathKnowledge, now_s: float) -> Known | None:
    """Bandwidth as later passes showed it, else by first passes, which may be slower than it."""
    prior = Known(value=priors.BANDWIDTH_BYTES_PER_S.value, spread_fraction=0.06)
    if path.bandwidth is not None:
        return aged(path.bandwidth, prior, now_s)
    if path.first_bandwidth is None:
        return None
    first = aged(path.first_bandwidth, prior, now_s)
    if first.value < 0.6 * priors.FIRST_BANDWIDTH_BYTES_PER_S.value:
        return first
    return Known(value=2 * first.value, spread_fraction=0.5, count=first.count)


def _moves(count: int) -> str:
    return "1 move" if count == 1 else f"{count} moves"


def _other_stream(recipe: Recipe, plain: Known) -> Known:
    """What another stream may carry, by what the plain one does."""
    kind = priors.STREAM_SPEED.get(recipe.stream.split("-")[0], priors.STREAM_SPEED["plain"])
    value, spread = plain.value * kind.value, kind.spread_fraction
    if recipe.compression is Compression.ZSTD:
        value = min(value, priors.ZSTD_BYTES_PER_S * priors.ZSTD_WIRE.value)
        spread += 0.15
    return Known(value=value, spread_fraction=math.hypot(plain.spread_fraction, spread))


def _wires(
    recipe: Recipe, each: Estimate | None, again: Estimate | None, now_s: float
) -> tuple[Known, Known]:
    """Wire bytes for a byte of memory: sent again, and in the first pass."""
    plain = Known(value=priors.PLAIN_WIRE_FRACTION, spread_fraction=0.001)
    if recipe.compression is Compression.NONE:
        return plain, plain
    if recipe.compression is Compression.ZSTD:
        wire = aged(each, priors.ZSTD_WIRE, now_s)
        return wire, wire
    return aged(again, priors.XBZRLE_AGAIN_WIRE, now_s), plain
