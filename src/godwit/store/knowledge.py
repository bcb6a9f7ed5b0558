"""What was learnt of VMs and paths, in SQLite: replaced as a whole, and bounded.

A row that can't be read is left out, not reported: it costs accuracy until it is learnt again, and
nobody could do anything about it.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Final, TypeVar

from sqlalchemy import Connection, Table, delete, select
from sqlalchemy.dialects.sqlite import insert as upsert

from godwit.core.errors import GodwitError
from godwit.core.model import (
    Calibration,
    Estimate,
    HostName,
    Knowledge,
    MigrationId,
    PathKey,
    PathKnowledge,
    Score,
    VmId,
    VmKnowledge,
)
from godwit.store.codec import decode, encode
from godwit.store.database import Database
from godwit.store.schema import calibration, path_knowledge, scores, vm_knowledge

__all__ = ["SqlKnowledge"]

T = TypeVar("T")

#: VMs and paths that are remembered; those that were not learnt of for the longest time go first.
_KEPT: Final = 20_000
_SCORES_KEPT: Final = 5_000

#: Names in one query. SQLite takes many more, but has to parse each.
_ASKED_AT_ONCE: Final = 500


class SqlKnowledge:
    """Implements ``godwit.ports.KnowledgeStore``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def knowledge(self, *, vms: Sequence[VmId] | None = None) -> Knowledge:
        """Return what is known: of these VMs (None: of all), of all paths, and the calibration."""
        with self._database.transaction() as connection:
            of_vms = list(_rows_of(connection, vms))
            of_paths = connection.execute(select(path_knowledge)).all()
            factors = connection.scalar(select(calibration.c.payload))
        known = (_read(VmKnowledge, payload) for payload in of_vms)
        paths = {
            PathKey(
                source=HostName(row.source),
                destination=HostName(row.destination),
                stream=row.stream,
            ): found
            for row in of_paths
            if (found := _read(PathKnowledge, row.payload)) is not None
        }
        return Knowledge(
            vms={one.vm: one for one in known if one is not None},
            paths=paths,
            calibration=(_read(Calibration, factors) if factors else None) or Calibration(),
        )

    def put_vm(self, known: VmKnowledge) -> None:
        """Replace what is known of one VM."""
        times = [one.taken_at_s for one in known.observations]
        if known.first_pass is not None:
            times.append(known.first_pass.updated_at_s)
        values = {"vm": known.vm, "updated_at_s": max(times, default=0.0)}
        with self._database.transaction() as connection:
            _put(connection, vm_knowledge, values | {"payload": encode(known)})
            _forget_oldest(connection, vm_knowledge)

    def put_path(self, key: PathKey, known: PathKnowledge) -> None:
        """Replace what is known of one path."""
        figures: tuple[Estimate | None, ...] = (
            known.bandwidth,
            known.setup,
            known.ending,
            known.pause_fixed,
            known.outage_extra,
        )
        values = {
            "source": key.source,
            "destination": key.destination,
            "stream": key.stream,
            "updated_at_s": max((one.updated_at_s for one in figures if one), default=0.0),
        }
        with self._database.transaction() as connection:
            _put(connection, path_knowledge, values | {"payload": encode(known)})
            _forget_oldest(connection, path_knowledge)

    def put_calibration(self, calibration: Calibration) -> None:
        """Replace the calibration."""
        with self._database.transaction() as connection:
            _put(connection, _CALIBRATION, {"id": 1, "payload": encode(calibration)})

    def add_score(self, migration: MigrationId, score: Score) -> None:
        """Keep the score of one migration; a second one for the same migration replaces it."""
        row = upsert(scores).values(
            migration=migration, scored_at_s=score.scored_at_s, payload=encode(score)
        )
        changed = {"scored_at_s": row.excluded.scored_at_s, "payload": row.excluded.payload}
        newest = select(scores.c.number).order_by(scores.c.number.desc()).limit(_SCORES_KEPT)
        with self._database.transaction() as connection:
            connection.execute(
                row.on_conflict_do_update(index_elements=["migration"], set_=changed)
            )
            connection.execute(delete(scores).where(scores.c.number.not_in(newest)))

    def scores(self, *, limit: int) -> tuple[tuple[MigrationId, Score], ...]:
        """The newest scores, newest first."""
        query = select(scores).order_by(scores.c.number.desc()).limit(limit)
        with self._database.transaction() as connection:
            rows = connection.execute(query).all()
        found = ((MigrationId(row.migration), _read(Score, row.payload)) for row in rows)
        return tuple((migration, score) for migration, score in found if score is not None)


#: Under a name that the values have not.
_CALIBRATION: Final = calibration


def _rows_of(connection: Connection, vms: Sequence[VmId] | None) -> Iterator[str]:
    query = select(vm_knowledge.c.payload)
    if vms is None:
        yield from connection.scalars(query)
        return
    for first in range(0, len(vms), _ASKED_AT_ONCE):
        asked = vms[first : first + _ASKED_AT_ONCE]
        yield from connection.scalars(query.where(vm_knowledge.c.vm.in_(asked)))


def _put(connection: Connection, table: Table, values: dict[str, object]) -> None:
    row = upsert(table).values(values)
    key = [column.name for column in table.primary_key]
    changed = {name: row.excluded[name] for name in values if name not in key}
    connection.execute(row.on_conflict_do_update(index_elements=key, set_=changed))


def _forget_oldest(connection: Connection, table: Table) -> None:
    newest = select(table.c.updated_at_s).order_by(table.c.updated_at_s.desc())
    last_kept = newest.offset(_KEPT - 1).limit(1).scalar_subquery()
    # Without so many rows the comparison is with nothing, and nothing is deleted.
    connection.execute(delete(table).where(table.c.updated_at_s < last_kept))


@lru_cache(maxsize=4096)
def _read(kind: type[T], payload: str) -> T | None:
    """Read one value. Every scan reads the same ones again, and they are frozen."""
    try:
        return decode(kind, payload)
    except GodwitError:
        return None
