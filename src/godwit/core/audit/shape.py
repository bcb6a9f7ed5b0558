"""Checks of the plan itself: its generation, its names, its order, where each VM goes on from."""

from collections.abc import Iterator

from godwit.core.audit.replay import Replay
from godwit.core.audit.violation import Kind, Violation
from godwit.core.rules import VM_RULES
from godwit.core.timed import Bounds, LinkEnd, Slice

__all__ = [
    "check_bandwidth",
    "check_copies",
    "check_destination",
    "check_generation",
    "check_movable",
    "check_names",
    "check_order",
    "check_source",
    "check_times",
]

#: Times and rates are sums of floats.
_SAME_S = 1e-6
_SAME_FRACTION = 1e-6


def check_generation(replay: Replay, _bounds: Bounds) -> Iterator[Violation]:
    """The plan was made from this very cluster."""
    made, seen = replay.plan.generation, replay.cluster.generation
    if made != seen:
        yield Violation(
            kind=Kind.STALE,
            why=f"made from generation {made} of the cluster, which is at {seen}",
            found=made,
            limit=seen,
        )


def check_names(replay: Replay, _bounds: Bounds) -> Iterator[Violation]:
    """Every VM, host and move that is named exists, once."""
    if len(replay.moves) < len(replay.plan.moves):
        ids = [one.id for one in replay.plan.moves]
        twice = tuple(sorted({one for one in ids if ids.count(one) > 1}))
        yield Violation(
            kind=Kind.UNKNOWN, why=f"several moves are named {', '.join(twice)}", moves=twice
        )
    for move in replay.plan.moves:
        unknown = [
            *(
                one
                for one in (move.source, move.destination, move.final)
                if one not in replay.hosts
            ),
            *(one for one in move.after if one not in replay.moves),
            *([move.vm] if move.vm not in replay.vms else []),
        ]
        if unknown:
            yield Violation(
                kind=Kind.UNKNOWN,
                why=f"{move.id} names {', '.join(unknown)}, which does not exist",
                vms=(move.vm,),
                moves=(move.id,),
            )


def check_order(replay: Replay, _bounds: Bounds) -> Iterator[Violation]:
    """No move waits for itself, over whatever detour."""
    if replay.is_ordered:
        return
    # What waits in a ring, or behind one, was left without ancestors though it names some.
    rings = tuple(
        one.id
        for one in replay.plan.moves
        if any(other in replay.moves for other in one.after) and not replay.ancestors[one.id]
    )
    yield Violation(
        kind=Kind.ORDER, why=f"these wait for each other: {', '.join(rings)}", moves=rings
    )


def check_movable(replay: Replay, _bounds: Bounds) -> Iterator[Violation]:
    """Every VM that moves can: it runs, on one host, and nothing in it stands in the way."""
    flying = {one.vm for one in replay.cluster.reservations}
    for vm_id in sorted({one.vm for one in replay.plan.moves}):
        sightings = replay.vms.get(vm_id, ())
        reasons = [one.why for rule in VM_RULES for vm in sightings if (one := rule.check(vm))]
        if len(sightings) > 1:
            reasons.append(f"seen on {', '.join(sorted(one.host for one in sightings))}")
        if vm_id in flying:
            reasons.append("in flight already")
        for why in reasons:
            yield Violation(kind=Kind.UNMOVABLE, why=why, vms=(vm_id,))


def check_source(replay: Replay, _bounds: Bounds) -> Iterator[Violation]:
    """A VM's first move begins where it is, and each other where the one before has ended."""
    for vm_id in sorted({one.vm for one in replay.plan.moves}):
        at = {one.host for one in replay.vms.get(vm_id, ())}
        for move in replay.of_vm(vm_id):
            if move.source not in at:
                yield Violation(
                    kind=Kind.SOURCE,
                    why=f"{move.vm_name} is to leave {move.source} but is on"
                    f" {', '.join(sorted(at)) or 'no host'} then",
                    at_s=move.starts_s.likely,
                    hosts=(move.source,),
                    vms=(vm_id,),
                    moves=(move.id,),
                )
            at = {move.destination}


def check_destination(replay: Replay, _bounds: Bounds) -> Iterator[Violation]:
    """Each move goes somewhere else, and no VM is left at a stop on its way."""
    for vm_id in sorted({one.vm for one in replay.plan.moves}):
        own = replay.of_vm(vm_id)
        for move in own:
            if move.source == move.destination:
                yield Violation(
                    kind=Kind.DESTINATION,
                    why=f"{move.vm_name} is to move from {move.source} to itself",
                    hosts=(move.source,),
                    vms=(vm_id,),
                    moves=(move.id,),
                )
        last = own[-1]
        if any(one.final != last.destination for one in own):
            yield Violation(
                kind=Kind.DESTINATION,
                why=f"{last.vm_name} ends on {last.destination}, its destination is {own[0].final}",
                hosts=(last.destination, own[0].final),
                vms=(vm_id,),
                moves=(last.id,),
            )


def check_copies(replay: Replay, _bounds: Bounds) -> Iterator[Violation]:
    """Two moves of one VM never run at the same time, in any course the order allows."""
    for vm_id in sorted({one.vm for one in replay.plan.moves}):
        own = replay.of_vm(vm_id)
        for at, second in enumerate(own):
            for first in own[:at]:
                if first.id not in replay.ancestors[second.id]:
                    yield Violation(
                        kind=Kind.COPIES,
                        why=f"{second.id} may start while {first.id} runs",
                        vms=(vm_id,),
                        moves=(first.id, second.id),
                    )


def check_times(replay: Replay, _bounds: Bounds) -> Iterator[Violation]:
    """The expected times are in order, and go with the dependencies."""
    plan = replay.plan
    for move in plan.moves:
        for what, one in (("start", move.starts_s), ("end", move.ends_s)):
            if not 0 <= one.low <= one.likely <= one.high:
                yield Violation(
                    kind=Kind.TIMES, why=f"the {what} of {move.id} is {one}", moves=(move.id,)
                )
        if move.ends_s.likely < move.starts_s.likely:
            yield Violation(
                kind=Kind.TIMES,
                why=f"{move.id} ends before it starts",
                at_s=move.starts_s.likely,
                moves=(move.id,),
            )
        for other in move.after:
            ended_s = replay.moves[other].ends_s.likely if other in replay.moves else 0.0
            if ended_s > move.starts_s.likely + _SAME_S:
                yield Violation(
                    kind=Kind.TIMES,
                    why=f"{move.id} is expected to start before {other} has ended",
                    at_s=move.starts_s.likely,
                    moves=(move.id, other),
                    found=move.starts_s.likely,
                    limit=ended_s,
                )
    end_s = max((one.ends_s.likely for one in plan.moves), default=0.0)
    if abs(plan.makespan_s.likely - end_s) > _SAME_S:
        yield Violation(
            kind=Kind.TIMES,
            why="the makespan is not the end of the last move",
            found=plan.makespan_s.likely,
            limit=end_s,
        )
    if plan.lower_bound_s > plan.makespan_s.likely + _SAME_S:
        yield Violation(
            kind=Kind.TIMES,
            why="the makespan is below what is called its lower bound",
            found=plan.makespan_s.likely,
            limit=plan.lower_bound_s,
        )


def check_bandwidth(replay: Replay, bounds: Bounds) -> Iterator[Violation]:
    """At no instant do the copies use more of a link than there is, and each only while it runs."""
    used: dict[LinkEnd, list[Slice]] = {}
    for move in replay.plan.moves:
        first_s, last_s = move.starts_s.likely - _SAME_S, move.ends_s.likely + _SAME_S
        if any(one.from_s < first_s or one.until_s > last_s for one in move.slices):
            yield Violation(
                kind=Kind.BANDWIDTH, why=f"{move.id} copies while it does not run", moves=(move.id,)
            )
        for link in move.links:
            used.setdefault(link, []).extend(move.slices)
    for link, slices in sorted(used.items()):
        host = replay.hosts.get(link.host)
        speed = host.record.migration_link_bytes_per_s if host is not None else None
        speed = speed or bounds.link_bytes_per_s
        for at_s in sorted({one.from_s for one in slices}):
            # Slices end where others begin: what lasts less than a float can tell is no overlap.
            together = [one for one in slices if one.from_s <= at_s < one.until_s - _SAME_S]
            sum_bytes_per_s = sum(one.link_bytes_per_s for one in together)
            if sum_bytes_per_s > speed * (1 + _SAME_FRACTION):
                yield Violation(
                    kind=Kind.BANDWIDTH,
                    why=f"the copies use more than there is of {link.text}",
                    at_s=at_s,
                    hosts=(link.host,),
                    found=sum_bytes_per_s,
                    limit=speed,
                )
                break
