"""The inventory, the plans, the runs and the generation of the cluster, in SQLite.

The journal of the migrations stands apart, in ``journal``.
"""

import secrets
from collections.abc import Sequence
from typing import Final

from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from godwit.core.errors import UnknownHost, UnknownPlan
from godwit.core.model import HostName, HostRecord, PlanId
from godwit.core.plan import Plan
from godwit.ports import StoredRun
from godwit.store.codec import decode, encode
from godwit.store.database import Database
from godwit.store.schema import GENERATION, hosts, meta, migrations, plans, runs

__all__ = ["SqlStore"]

#: Plans that nobody accepted and that are kept: every dry run makes one, and it holds the answer
#: of every host for every VM. Accepted plans stay as long as what they set going.
_PLANS_KEPT: Final = 500

#: No letter or digit that is taken for another one when read aloud or copied by hand.
_ID_LETTERS: Final = "abcdefghjkmnpqrstuvwxyz23456789"


class SqlStore:
    """Implements ``godwit.ports.Store``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def generation(self) -> int:
        """The number of the last change of the cluster."""
        query = select(meta.c.value).where(meta.c.key == GENERATION)
        with self._database.transaction() as connection:
            return int(connection.execute(query).scalar_one())

    def next_generation(self) -> int:
        """Count one change and return its number."""
        count = update(meta).where(meta.c.key == GENERATION).values(value=meta.c.value + 1)
        with self._database.transaction() as connection:
            return int(connection.execute(count.returning(meta.c.value)).scalar_one())

    def hosts(self) -> tuple[HostRecord, ...]:
        """All recorded hosts, by name."""
        with self._database.transaction() as connection:
            payloads = connection.scalars(select(hosts.c.payload).order_by(hosts.c.name)).all()
        return tuple(decode(HostRecord, payload) for payload in payloads)

    def put_hosts(self, records: Sequence[HostRecord]) -> None:
        """Add or replace hosts: all of them or none."""
        with self._database.transaction() as connection:
            for record in records:
                row = upsert(hosts).values(name=record.name, payload=encode(record))
                connection.execute(
                    row.on_conflict_do_update(
                        index_elements=["name"], set_={"payload": row.excluded.payload}
                    )
                )

    def remove_host(self, name: HostName) -> None:
        """Forget a host. Raises: UnknownHost."""
        with self._database.transaction() as connection:
            if connection.execute(delete(hosts).where(hosts.c.name == name)).rowcount == 0:
                raise UnknownHost(
                    f"there is no host {name!r}", remedy="List them with `godwit host list`."
                )

    def add_plan(self, plan: Plan) -> Plan:
        """Keep a plan under a new short id and return it with it."""
        with self._database.transaction() as connection:
            kept = plan.with_id(_free_id(connection))
            connection.execute(
                insert(plans).values(
                    id=kept.id,
                    kind=kept.kind.value,
                    generation=kept.generation,
                    made_at_s=kept.made_at_s,
                    payload=encode(kept),
                )
            )
            _forget_old_plans(connection)
        return kept

    def plan(self, plan_id: PlanId) -> Plan:
        """Return a plan. Raises: UnknownPlan."""
        with self._database.transaction() as connection:
            payload = connection.scalar(select(plans.c.payload).where(plans.c.id == plan_id))
        if payload is None:
            raise UnknownPlan(f"there is no plan {plan_id!r}", remedy="Make a new one.")
        return decode(Plan, payload)

    def put_run(self, run: StoredRun) -> None:
        """Add or replace a run; its plan must have been added before."""
        row = upsert(runs).values(id=run.id, plan=run.plan, payload=encode(run))
        with self._database.transaction() as connection:
            connection.execute(
                row.on_conflict_do_update(
                    index_elements=["id"],
                    set_={"plan": row.excluded.plan, "payload": row.excluded.payload},
                )
            )

    def runs(self, *, limit: int) -> tuple[StoredRun, ...]:
        """The newest runs, newest first."""
        query = select(runs.c.payload).order_by(runs.c.number.desc()).limit(limit)
        with self._database.transaction() as connection:
            payloads = connection.scalars(query).all()
        return tuple(decode(StoredRun, payload) for payload in payloads)


def _free_id(connection: Connection) -> PlanId:
    while True:
        tried = PlanId("p-" + "".join(secrets.choice(_ID_LETTERS) for _ in range(6)))
        taken = select(plans.c.number).where(plans.c.id == tried)
        if connection.execute(taken).first() is None:
            return tried


def _forget_old_plans(connection: Connection) -> None:
    newest = select(plans.c.number).order_by(plans.c.number.desc()).limit(_PLANS_KEPT)
    connection.execute(
        delete(plans).where(
            plans.c.number.not_in(newest),
            plans.c.id.not_in(select(migrations.c.plan)),
            plans.c.id.not_in(select(runs.c.plan)),
        )
    )
