"""The engine's views and notices as wire models: the only conversions that know the engine."""

from godwit import wire
from godwit.core.model import MigrationId, Vm
from godwit.core.rules import rule_that_says
from godwit.engine import Acceptance, Controller, Notice, RunState, RunView

__all__ = [
    "acceptance_to_wire",
    "migration_detail_to_wire",
    "notice_to_wire",
    "policy_of",
    "run_detail_to_wire",
    "run_to_wire",
]


def run_to_wire(view: RunView) -> wire.Run:
    """Convert a run, without its plan."""
    return wire.Run(
        id=view.id,
        plan_id=view.plan.id,
        kind=view.plan.kind.value,
        host=view.host,
        state=view.state.value,
        is_ended=view.state is not RunState.RUNNING,
        accepted_at_s=view.accepted_at_s,
        ended_at_s=view.ended_at_s,
        moves_planned=len(view.plan.moves),
        parallel=view.plan.parallel,
        migrations=tuple(wire.migration_to_wire(one) for one in view.migrations),
        remaining=tuple(view.remaining),
        unplaced=tuple(one.vm_name for one in view.plan.left_out),
        given_up=tuple(wire.given_up_to_wire(one) for one in view.given_up),
    )


def run_detail_to_wire(view: RunView, *, last_notice: int) -> wire.RunDetail:
    """Convert a run with its plan."""
    return wire.RunDetail(
        **dict(run_to_wire(view)), plan=wire.plan_to_wire(view.plan), last_notice=last_notice
    )


def acceptance_to_wire(acceptance: Acceptance, *, last_notice: int) -> wire.Acceptance:
    """Convert what accepting set going."""
    return wire.Acceptance(
        plan=acceptance.plan.id,
        migrations=tuple(acceptance.migrations),
        run=acceptance.run,
        last_notice=last_notice,
    )


def migration_detail_to_wire(
    controller: Controller, migration_id: MigrationId
) -> wire.MigrationDetail:
    """Read and convert a migration whole. Raises: UnknownMigration.

    Everything is read without a pause in between, so that it all belongs to one instant.
    """
    migration = controller.migration(migration_id)
    accepted, events = controller.life(migration_id)
    progress = controller.progress(migration_id)
    return wire.MigrationDetail(
        **dict(wire.migration_to_wire(migration)),
        move=wire.move_to_wire(migration.move),
        rounds=tuple(wire.round_to_wire(one) for one in migration.rounds),
        journal=wire.journal_to_wire(accepted, tuple(events)),
        samples=wire.samples_to_wire(tuple(events)),
        progress=wire.progress_to_wire(progress) if progress is not None else None,
        last_notice=controller.last_notice,
    )


def notice_to_wire(notice: Notice) -> wire.Notice:
    """Convert a notice."""
    migration, progress, run = notice.migration, notice.progress, notice.run
    return wire.Notice(
        number=notice.number,
        at_s=notice.at_s,
        kind=notice.kind.value,
        text=notice.text,
        migration=wire.migration_to_wire(migration) if migration is not None else None,
        progress=wire.progress_to_wire(progress) if progress is not None else None,
        run=run_to_wire(run) if run is not None else None,
        host=notice.host,
    )


def policy_of(controller: Controller, vm: Vm) -> wire.Policy:
    """Convert the policy of a VM, with the rule of the site that each field comes from."""
    rules = controller.policy_rules
    return wire.policy_to_wire(vm, lambda name: rule_that_says(rules, vm, name))
