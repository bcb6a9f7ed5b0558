"""``godwit drain``: empty a host."""

from typing import TYPE_CHECKING, Annotated

import typer

from godwit.cli.options import (
    AbortOption,
    BandwidthOption,
    DetachOption,
    DowntimeOption,
    DryRunOption,
    NoMeasureOption,
    OldDowntimeOption,
    Output,
    OutputOption,
    YesOption,
    build_request,
    examples,
    planning_words,
    read_option,
)
from godwit.core.units import parse_duration, parse_rate

if TYPE_CHECKING:
    from godwit.wire import Plan

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        "drain",
        epilog=examples(
            "godwit drain kvm1 --dry-run",
            "godwit drain kvm1",
            "godwit drain kvm1 --parallel 2 --yes -o json",
        ),
    )(_drain)


def _drain(
    ctx: typer.Context,
    host: Annotated[str, typer.Argument(metavar="HOST", help="The host to empty.")],
    dry_run: DryRunOption = False,
    parallel: Annotated[
        int,
        typer.Option(
            help="At most so many VMs move at once; fewer where more would end no sooner."
        ),
    ] = 1,
    downtime_max: DowntimeOption = None,
    max_downtime: OldDowntimeOption = None,
    bandwidth: BandwidthOption = None,
    no_measure: NoMeasureOption = False,
    yes: YesOption = False,
    detach: DetachOption = False,
    abort_on_interrupt: AbortOption = False,
    output: OutputOption = Output.TEXT,
) -> None:
    """Empty a host: move all its running VMs away, while their users work on.

    Shows the whole plan first: where each VM goes and why, and each VM that can't be moved, with
    its remedy. No VM is ever stopped. The host is in maintenance until `godwit undrain`.
    """
    from godwit.cli.asking import refuse_unless_asked
    from godwit.cli.carrying_out import carry_out, present, refuse_detached_run
    from godwit.cli.screen import Screen
    from godwit.cli.session import open_session
    from godwit.wire import DrainRequest

    asked = build_request(
        DrainRequest,
        _OPTIONS,
        host=host,
        parallel=parallel,
        pause_max_s=read_option("--downtime-max", parse_duration, downtime_max or max_downtime),
        bandwidth_bytes_per_s=read_option("--bandwidth", parse_rate, bandwidth),
        measure=not no_measure,
    )
    screen = Screen(output)
    refuse_unless_asked(screen, yes=yes, dry_run=dry_run)
    with open_session(ctx, screen) as session:
        if detach and not dry_run:
            refuse_detached_run(session)
        with screen.busy(planning_words(measure=not no_measure)):
            plan = session.client.make_plan(asked)
        present(screen, plan, dry_run=dry_run)
        carry_out(
            session,
            screen,
            plan,
            question=_question(plan),
            yes=yes,
            detach=detach,
            abort_on_interrupt=abort_on_interrupt,
        )


def _question(plan: "Plan") -> str:
    count = len(plan.moves)
    if count == 0:
        return f"Put {plan.host} into maintenance?"
    left = len(plan.unplaced) + (len(plan.timed.stuck) if plan.timed is not None else 0)
    stays = f", leaving {left} there" if left else ""
    return f"Move {count} VM{'' if count == 1 else 's'} away from {plan.host}{stays}?"


_OPTIONS = {
    "host": "HOST",
    "parallel": "--parallel",
    "pause_max_s": "--downtime-max",
    "bandwidth_bytes_per_s": "--bandwidth",
}
