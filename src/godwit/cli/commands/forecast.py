"""``godwit forecast``: what a move would be like, and how right forecasts have been."""

from typing import TYPE_CHECKING, Annotated

import typer

from godwit.cli.options import (
    MOVE_OPTIONS,
    BandwidthOption,
    DowntimeOption,
    NoMeasureOption,
    OldDowntimeOption,
    Output,
    OutputOption,
    build_request,
    examples,
    planning_words,
    read_option,
)
from godwit.core.errors import BadValue
from godwit.core.units import parse_duration, parse_rate

if TYPE_CHECKING:
    from godwit import wire
    from godwit.cli.screen import Screen

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        "forecast",
        epilog=examples(
            "godwit forecast web1",
            "godwit forecast web1 --to kvm2 -o json",
            "godwit forecast --accuracy",
        ),
    )(_forecast)


def _forecast(
    ctx: typer.Context,
    vm: Annotated[
        str | None, typer.Argument(metavar="[VM]", help="Its name or UUID.", show_default=False)
    ] = None,
    to: Annotated[
        str | None,
        typer.Option(metavar="HOST", help="Where to; otherwise the best host.", show_default=False),
    ] = None,
    accuracy: Annotated[
        bool, typer.Option("--accuracy", help="How right the forecasts so far were.")
    ] = False,
    downtime_max: DowntimeOption = None,
    max_downtime: OldDowntimeOption = None,
    bandwidth: BandwidthOption = None,
    no_measure: NoMeasureOption = False,
    output: OutputOption = Output.TEXT,
) -> None:
    """Say what moving a VM would be like: time, pause, outage, bytes, as ranges and chances.

    Nothing is moved, and nobody is asked. With --accuracy: all forecasts of this controller
    against what came of them.
    """
    from godwit.cli.screen import Screen
    from godwit.cli.session import open_session
    from godwit.cli.views.accuracy import show_accuracy
    from godwit.wire import MigrateRequest

    if accuracy == (vm is not None):
        raise BadValue(
            "--accuracy is of all VMs" if accuracy else "no VM was named",
            remedy="Either `godwit forecast VM` or `godwit forecast --accuracy`.",
        )
    screen = Screen(output)
    if vm is None:
        with open_session(ctx, screen) as session:
            found = session.client.accuracy()
            if screen.is_json:
                screen.document(found)
            else:
                show_accuracy(screen, found)
        return
    asked = build_request(
        MigrateRequest,
        MOVE_OPTIONS,
        vm=vm,
        destination=to,
        pause_max_s=read_option("--downtime-max", parse_duration, downtime_max or max_downtime),
        bandwidth_bytes_per_s=read_option("--bandwidth", parse_rate, bandwidth),
        measure=not no_measure,
    )
    with open_session(ctx, screen) as session:
        with screen.busy(planning_words(measure=not no_measure)):
            plan = session.client.make_plan(asked)
        _show(screen, plan)


def _show(screen: "Screen", plan: "wire.Plan") -> None:
    from godwit.cli.views.forecast import show_forecast

    (move,) = plan.moves
    if screen.is_json:
        screen.document(move)
        return
    screen.line(f"{move.vm_name}: {move.source} -> {move.destination}", style="bold")
    show_forecast(screen, move)
