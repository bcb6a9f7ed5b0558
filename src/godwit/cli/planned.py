"""What commands share whose plan is searched: their options, and the way from asking to doing."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar

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
    planning_words,
    read_option,
)
from godwit.core.units import parse_duration, parse_rate

if TYPE_CHECKING:
    from godwit import wire

__all__ = [
    "Acting",
    "HostArgument",
    "Searching",
    "WithinOption",
    "ask_for",
    "plan_and_carry_out",
    "within_s",
]

_Asked = TypeVar("_Asked", bound="wire.SearchedRequest")

HostArgument = Annotated[str, typer.Argument(metavar="HOST", help="The host to empty.")]
WithinOption = Annotated[
    str | None,
    typer.Option(
        "--within",
        metavar="DURATION",
        help="What matters most leaves first; what will not make it in that time is said before"
        " anything moves.",
        show_default=False,
    ),
]

#: The fields of the requests, by the option that each comes from.
_OPTIONS: Final = {
    "host": "HOST",
    "vm": "VM",
    "parallel": "--parallel",
    "limit_s": "--search-time",
    "seed": "--seed",
    "moves_most": "--moves-max",
    "hosts_least": "--keep",
    "deadline_s": "--within",
    "pause_max_s": "--downtime-max",
    "bandwidth_bytes_per_s": "--bandwidth",
    "placement": "--from",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Searching:
    """The options of every plan that is searched."""

    parallel: Annotated[
        int,
        typer.Option(
            help="At most so many VMs move at once; fewer where more would end no sooner."
        ),
    ] = 1
    search_time: Annotated[
        str,
        typer.Option(
            metavar="DURATION",
            help="The longest that a better plan is looked for; most are found in less.",
        ),
    ] = "10s"
    seed: Annotated[
        int, typer.Option(help="The same cluster and seed give the same plan.", min=0)
    ] = 0
    downtime_max: DowntimeOption = None
    max_downtime: OldDowntimeOption = None
    bandwidth: BandwidthOption = None
    no_measure: NoMeasureOption = False
    output: OutputOption = Output.TEXT


@dataclass(frozen=True, slots=True, kw_only=True)
class Acting:
    """The options of every command that carries its plan out."""

    dry_run: DryRunOption = False
    yes: YesOption = False
    detach: DetachOption = False
    abort_on_interrupt: AbortOption = False


def within_s(within: str | None) -> float | None:
    """Read --within, in seconds. Raises: BadValue."""
    return read_option("--within", parse_duration, within)


def ask_for(kind: type[_Asked], searching: Searching, **fields: Any) -> _Asked:  # noqa: ANN401
    """Build a request from the options. Raises: BadValue that names the option."""
    downtime = searching.downtime_max or searching.max_downtime
    return build_request(
        kind,
        _OPTIONS,
        parallel=searching.parallel,
        limit_s=read_option("--search-time", parse_duration, searching.search_time),
        seed=searching.seed,
        pause_max_s=read_option("--downtime-max", parse_duration, downtime),
        bandwidth_bytes_per_s=read_option("--bandwidth", parse_rate, searching.bandwidth),
        measure=not searching.no_measure,
        **fields,
    )


def plan_and_carry_out(
    ctx: typer.Context,
    asked: "wire.SearchedRequest",
    output: Output,
    acting: Acting,
) -> None:
    """Make the plan, show it, have it confirmed and carry it out. Raises: typer.Exit."""
    from godwit.cli.asking import refuse_unless_asked
    from godwit.cli.carrying_out import carry_out, present, refuse_detached_run
    from godwit.cli.screen import Screen
    from godwit.cli.session import open_session

    screen = Screen(output)
    refuse_unless_asked(screen, yes=acting.yes, dry_run=acting.dry_run)
    with open_session(ctx, screen) as session:
        if acting.detach and not acting.dry_run:
            refuse_detached_run(session)
        with screen.busy(planning_words(measure=asked.measure)):
            plan = session.client.make_plan(asked)
        present(screen, plan, dry_run=acting.dry_run)
        carry_out(
            session,
            screen,
            plan,
            yes=acting.yes,
            detach=acting.detach,
            abort_on_interrupt=acting.abort_on_interrupt,
        )
