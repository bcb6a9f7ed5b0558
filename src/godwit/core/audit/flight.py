"""Checks of how many moves are in flight: of a host, of a link, of a group, of all.

By the expected times, and in every state that the order allows: the order alone keeps the limits.
"""

from collections.abc import Iterator, Sequence

from godwit.core.audit.replay import Replay, Stay
from godwit.core.audit.violation import Kind, Violation
from godwit.core.model import HostName
from godwit.core.timed import Bounds, LinkEnd, TimedMove

__all__ = ["check_groups", "check_hosts", "check_links", "check_whole"]


def check_hosts(replay: Replay, bounds: Bounds) -> Iterator[Violation]:
    """No host sends and receives more at once than its limit."""
    users: dict[HostName, list[TimedMove]] = {}
    for move in replay.plan.moves:
        for host in {move.source, move.destination}:
            users.setdefault(host, []).append(move)
    for name, moves in sorted(users.items()):
        what = f"moves from and to {name}"
        yield from _check(replay, Kind.FLIGHT_HOST, what, moves, bounds.limits.per_host, name)


def check_links(replay: Replay, bounds: Bounds) -> Iterator[Violation]:
    """No way of a host's link has more moves in flight than its limit."""
    users: dict[LinkEnd, list[TimedMove]] = {}
    for move in replay.plan.moves:
        for link in move.links:
            users.setdefault(link, []).append(move)
    for link, moves in sorted(users.items()):
        what = f"moves on {link.text}"
        yield from _check(replay, Kind.FLIGHT_LINK, what, moves, bounds.limits.per_link, link.host)


def check_groups(replay: Replay, bounds: Bounds) -> Iterator[Violation]:
    """No group has more members in flight than it allows."""
    for group in bounds.limits.groups:
        moves = [one for one in replay.plan.moves if one.vm in group.members]
        what = f"moves of the group {group.name!r}"
        yield from _check(replay, Kind.FLIGHT_GROUP, what, moves, group.most)


def check_whole(replay: Replay, bounds: Bounds) -> Iterator[Violation]:
    """No more moves are in flight than the whole cluster allows."""
    moves = replay.plan.moves
    yield from _check(replay, Kind.FLIGHT_WHOLE, "moves", moves, bounds.limits.whole)


def _check(
    replay: Replay,
    kind: Kind,
    what: str,
    moves: Sequence[TimedMove],
    limit: int | None,
    *hosts: HostName,
) -> Iterator[Violation]:
    if limit is None or len(moves) <= limit:
        return
    # A flight is a stay that one and the same move begins and ends.
    flights = [
        Stay(
            vm=one.vm,
            host=one.destination,
            memory_bytes=one.memory_bytes,
            vcpus=one.vcpus,
            since=one.id,
            until=one.id,
        )
        for one in moves
    ]
    for one in sorted(flights, key=lambda flight: (replay.begins_s(flight), flight.vm)):
        at_s = replay.begins_s(one)
        held = replay.held_at(at_s, flights)
        if len(held) > limit:
            yield _too_many(kind, what, limit, hosts, held, at_s=at_s)
            return
    most = replay.most(flights, lambda _: 1)
    if most > limit:
        yield _too_many(kind, what, limit, hosts, flights, count=most)


def _too_many(
    kind: Kind,
    what: str,
    limit: int,
    hosts: tuple[HostName, ...],
    flights: Sequence[Stay],
    *,
    at_s: float | None = None,
    count: int | None = None,
) -> Violation:
    found = len(flights) if count is None else count
    state = "" if at_s is not None else " may be in flight as the order allows"
    return Violation(
        kind=kind,
        why=f"{found} {what} at once{state}, and {limit} are allowed",
        at_s=at_s,
        hosts=hosts,
        vms=tuple(one.vm for one in flights),
        moves=tuple(one.since for one in flights if one.since is not None),
        found=found,
        limit=limit,
    )
