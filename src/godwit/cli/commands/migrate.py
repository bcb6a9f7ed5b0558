"""``godwit migrate``: one VM to another host."""

from typing import Annotated

import typer

from godwit.cli.options import (
    MOVE_OPTIONS,
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

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        "migrate",
        epilog=examples(
            "godwit migrate web1",
            "godwit migrate web1 --to kvm2 --downtime-max 300ms",
            "godwit migrate web1 --dry-run",
            "godwit migrate web1 --yes -o json      a line of JSON for each step",
        ),
    )(_migrate)


def _migrate(
    ctx: typer.Context,
    vm: Annotated[str, typer.Argument(metavar="VM", help="Its name or UUID.")],
    to: Annotated[
        str | None,
        typer.Option(metavar="HOST", help="Where to; otherwise the best host.", show_default=False),
    ] = None,
    dry_run: DryRunOption = False,
    downtime_max: DowntimeOption = None,
    max_downtime: OldDowntimeOption = None,
    bandwidth: BandwidthOption = None,
    no_measure: NoMeasureOption = False,
    yes: YesOption = False,
    detach: DetachOption = False,
    abort_on_interrupt: AbortOption = False,
    output: OutputOption = Output.TEXT,
) -> None:
    """Move a running VM to another host while its users work on.

    Shows where and why, and why not each other host; asks; then follows it to its verified end.
    Ctrl-C or a closed terminal leaves it going on.
    """
    from godwit.cli.asking import refuse_unless_asked
    from godwit.cli.carrying_out import carry_out, present
    from godwit.cli.screen import Screen
    from godwit.cli.session import open_session
    from godwit.wire import MigrateRequest

    asked = build_request(
        MigrateRequest,
        MOVE_OPTIONS,
        vm=vm,
        destination=to,
        pause_max_s=read_option("--downtime-max", parse_duration, downtime_max or max_downtime),
        bandwidth_bytes_per_s=read_option("--bandwidth", parse_rate, bandwidth),
        measure=not no_measure,
    )
    screen = Screen(output)
    refuse_unless_asked(screen, yes=yes, dry_run=dry_run)
    with open_session(ctx, screen) as session:
        with screen.busy(planning_words(measure=not no_measure)):
            plan = session.client.make_plan(asked)
        present(screen, plan, dry_run=dry_run)
        carry_out(
            session,
            screen,
            plan,
            yes=yes,
            detach=detach,
            abort_on_interrupt=abort_on_interrupt,
        )
