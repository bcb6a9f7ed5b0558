"""Makes the timed plan: an order that is possible, the times of the best one, what to say of it."""

from collections.abc import Iterable, Sequence

from godwit.core.model import Cluster, Range
from godwit.core.schedule.bound import lower_bound
from godwit.core.schedule.ends import drop_overfull, drop_split
from godwit.core.schedule.improving import Best, improve
from godwit.core.schedule.order import Order, find_order
from godwit.core.schedule.reading import read_scene
from godwit.core.schedule.request import Search, Wanted
from godwit.core.schedule.running import Timing, bits_of
from godwit.core.schedule.scene import Leg, Scene
from godwit.core.schedule.stuck import stuck_of_drop, stuck_of_order
from godwit.core.timed import (
    MoveId,
    Slice,
    Stuck,
    TimedMove,
    TimedPlan,
    WayOfSharing,
)
from godwit.core.units import format_duration

__all__ = ["make_schedule"]


def make_schedule(
    cluster: Cluster, wanted: Iterable[Wanted], search: Search | None = None
) -> TimedPlan:
    """Order and time what is wanted; what can't be ordered is in ``stuck`` with its remedy.

    The same input gives the same plan to the byte.
    """
    search = search or Search()
    scene, refused = read_scene(cluster, wanted, search.bounds)
    order, stuck = _ordered(scene, search)
    movers = sorted({leg.mover for leg in order.legs})
    bound_s, bound_by = lower_bound(scene, movers)
    if not order.legs:
        return TimedPlan(
            generation=cluster.generation,
            made_at_s=cluster.taken_at_s,
            moves=(),
            stuck=(*refused, *stuck),
            makespan_s=Range(low=0.0, likely=0.0, high=0.0),
            lower_bound_s=0.0,
            bound_by=bound_by,
            bounds=search.bounds,
        )
    best = improve(scene, order.legs, search, bound_s)
    moves = _moves(scene, order.legs, best.timing)
    return TimedPlan(
        generation=cluster.generation,
        made_at_s=cluster.taken_at_s,
        moves=moves,
        stuck=(*refused, *stuck),
        makespan_s=Range(
            low=max(one.ends_s.low for one in moves),
            likely=max(one.ends_s.likely for one in moves),
            high=max(one.ends_s.high for one in moves),
        ),
        lower_bound_s=bound_s,
        bound_by=bound_by,
        bounds=search.bounds,
        tries=best.tries,
        notes=_notes(scene, moves, best),
    )


def _ordered(scene: Scene, search: Search) -> tuple[Order, tuple[Stuck, ...]]:
    """Find an order for as many as can be; whom an affinity group holds back stays too."""
    kept, dropped = drop_overfull(scene)
    stuck = [stuck_of_drop(scene, one) for one in dropped]
    while True:
        order = find_order(scene, kept, search.states)
        moved = [one for one in kept if one not in order.left]
        split = drop_split(scene, moved, moved)
        if not split:
            return order, (*stuck, *stuck_of_order(scene, order))
        # Who stays because of its group is out before the next search; so this ends.
        for one in split:
            kept.remove(one.mover)
            stuck.append(stuck_of_drop(scene, one))


def _moves(scene: Scene, legs: Sequence[Leg], timing: Timing) -> tuple[TimedMove, ...]:
    """The legs as moves, in the order of their starts."""
    nth: dict[int, int] = {}
    ids: list[MoveId] = []
    for leg in legs:
        nth[leg.mover] = nth.get(leg.mover, 0) + 1
        ids.append(MoveId(f"{scene.movers[leg.mover].vm.id}#{nth[leg.mover]}"))
    beside: dict[tuple[int, str], set[int]] = {}
    for number, leg in enumerate(legs):
        beside.setdefault((leg.source, "out"), set()).add(number)
        beside.setdefault((leg.destination, "in"), set()).add(number)
    ranges: dict[int, tuple[Range, Range]] = {}
    moves = []
    for number in sorted(range(len(legs)), key=lambda one: (timing.starts_s[one], one)):
        after = bits_of(timing.after[number])
        starts_s, ends_s = _ranges(
            scene, legs[number], timing, number, [ranges[one] for one in after]
        )
        ranges[number] = (starts_s, ends_s)
        leg, mover = legs[number], scene.movers[legs[number].mover]
        slices = tuple(
            Slice(from_s=a, until_s=b, link_bytes_per_s=rate)
            for a, b, rate in timing.slices[number]
        )
        link, copy_s = scene.link_bytes_per_s(leg), slices[-1].until_s - slices[0].from_s
        sent = sum(one.link_bytes_per_s * (one.until_s - one.from_s) for one in slices)
        moves.append(
            TimedMove(
                id=ids[number],
                vm=mover.vm.id,
                vm_name=mover.vm.name,
                source=scene.hosts[leg.source],
                destination=scene.hosts[leg.destination],
                final=scene.hosts[mover.destination],
                memory_bytes=mover.vm.memory_bytes,
                vcpus=mover.vm.vcpus,
                after=tuple(ids[one] for one in after),
                needs=tuple(ids[one] for one in bits_of(timing.needs[number])),
                starts_s=starts_s,
                ends_s=ends_s,
                sent_bytes=sent,
                share_fraction=min(1.0, sent / copy_s / link) if copy_s > 0 else 1.0,
                sharing=_sharing(
                    timing, number, beside[leg.source, "out"] | beside[leg.destination, "in"]
                ),
                slices=slices,
                priority=mover.priority,
                due_s=mover.due_s,
                why=_why(scene, legs, number, after),
            )
        )
    return tuple(moves)


def _ranges(
    scene: Scene,
    leg: Leg,
    timing: Timing,
    number: int,
    waits: Sequence[tuple[Range, Range]],
) -> tuple[Range, Range]:
    """When it starts and ends, if those it waits for are as early or as late as they may be."""
    start_s, end_s = timing.starts_s[number], timing.ends_s[number]
    effort = scene.movers[leg.mover].effort
    starts_s = Range(
        low=min(start_s, max((one.low for _, one in waits), default=start_s)),
        likely=start_s,
        high=max(start_s, max((one.high for _, one in waits), default=start_s)),
    )
    lasts_s = end_s - start_s
    return starts_s, Range(
        low=min(end_s, starts_s.low + effort.low_fraction * lasts_s),
        likely=end_s,
        high=max(end_s, starts_s.high + effort.high_fraction * lasts_s),
    )


def _sharing(timing: Timing, number: int, beside: Iterable[int]) -> WayOfSharing:
    """How a leg shares its links with those beside it on one of them."""
    found = WayOfSharing.ALONE
    for other in beside:
        together = (
            timing.starts_s[other] < timing.ends_s[number]
            and timing.starts_s[number] < timing.ends_s[other]
        )
        if other == number or not together:
            continue
        if any(
            a < d and c < b for a, b, _ in timing.slices[number] for c, d, _ in timing.slices[other]
        ):
            return WayOfSharing.PARALLEL
        found = WayOfSharing.IN_TURN
    return found


def _why(scene: Scene, legs: Sequence[Leg], number: int, after: Sequence[int]) -> str:
    leg = legs[number]
    said = []
    room = [one for one in after if legs[one].source == leg.destination]
    if room:
        names = ", ".join(sorted({scene.movers[legs[one].mover].vm.name for one in room}))
        said.append(f"waits until {names} has left {scene.hosts[leg.destination]}")
    if any(one.mover == leg.mover for one in legs[:number]):
        said.append(f"goes on from its stop on {scene.hosts[leg.source]}")
    if others := [one for one in after if one not in room and legs[one].mover != leg.mover]:
        names = ", ".join(sorted({scene.movers[legs[one].mover].vm.name for one in others}))
        said.append(f"waits for a free place in flight, after {names}")
    final = scene.movers[leg.mover].destination
    if leg.destination != final:
        said.append(
            f"steps aside to {scene.hosts[leg.destination]}, because {scene.hosts[final]} has no"
            " room until others have moved"
        )
    return "; ".join(said) if said else "starts at once"


def _notes(scene: Scene, moves: Sequence[TimedMove], best: Best) -> tuple[str, ...]:
    notes = []
    tried = {at: end_s for at, end_s in best.by_at_once if at is not None}
    serial_s = tried.get(1)
    if best.at_once == 1:
        notes.append("on each link one move after the other: no more at once would end sooner")
    elif serial_s is not None and serial_s > best.timing.makespan_s * 1.005:
        notes.append(
            f"several moves in flight on a link, since one after the other would take"
            f" {format_duration(serial_s)} instead of {format_duration(best.timing.makespan_s)}"
        )
    if transits := [one for one in moves if one.is_transit]:
        names = ", ".join(f"{one.vm_name} over {one.destination}" for one in transits)
        notes.append(f"a ring of full hosts is opened through transit: {names}")
    late = [one for one in moves if one.due_s is not None and one.ends_s.likely > one.due_s]
    if late := [one for one in late if not one.is_transit]:
        names = ", ".join(
            f"{one.vm_name} by {format_duration(one.ends_s.likely - (one.due_s or 0.0))}"
            for one in late
        )
        notes.append(f"expected to be late: {names}")
    unknown = [
        one.name
        for one in scene.cluster.hosts
        if one.record.migration_link_bytes_per_s is None
        and one.name in {name for move in moves for name in (move.source, move.destination)}
    ]
    if unknown:
        notes.append(
            f"the speed of the link is not declared, so that it is a guess: {', '.join(unknown)}"
        )
    return tuple(notes)
