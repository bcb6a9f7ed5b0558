"""``godwit plan``: what would be done, of a live cluster or of one in a file. Nothing moves."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from godwit.cli.commands.balance import MovesMaxOption
from godwit.cli.commands.consolidate import KeepOption
from godwit.cli.commands.drain import MakeRoomOption
from godwit.cli.commands.restore import FromOption, RestoredHostArgument, placement_from
from godwit.cli.gathering import gathered
from godwit.cli.options import examples, planning_words
from godwit.cli.planned import HostArgument, Searching, WithinOption, ask_for, within_s

if TYPE_CHECKING:
    from godwit import wire
    from godwit.cli.screen import Screen

__all__ = ["register"]

_ClusterOption = Annotated[
    Path | None,
    typer.Option(
        "--cluster",
        metavar="FILE",
        help="Plan for the cluster in this file (of `godwit cluster save`, or Ganeti's htools"
        " text), and ask no host.",
        show_default=False,
    ),
]
_HostsOption = Annotated[
    list[str] | None, typer.Option(metavar="HOST", help="A host to empty; may be given again.")
]


def register(app: typer.Typer) -> None:
    """Add the command and those below it."""
    plan = typer.Typer(no_args_is_help=True, rich_markup_mode="rich")
    for name, command, lines in (
        ("balance", _balance, ("godwit plan balance", "godwit plan balance --cluster file.json")),
        ("drain", _drain, ("godwit plan drain kvm1 --make-room --cluster file.json",)),
        ("evacuate", _evacuate, ("godwit plan evacuate kvm1 --within 5m",)),
        ("restore", _restore, ("godwit plan restore --from before.json --cluster now.json",)),
        ("consolidate", _consolidate, ("godwit plan consolidate --keep 3",)),
        ("place", _place, ("godwit plan place web1",)),
        ("repair", _repair, ("godwit plan repair --cluster file.json -o json",)),
        ("mix", _mix, ("godwit plan mix --drain kvm1 --drain kvm2 --balance",)),
    ):
        plan.command(name, epilog=examples(*lines))(gathered(command))
    app.add_typer(
        plan,
        name="plan",
        help="Show what would be done, and why; `godwit accept` carries a plan out.",
    )


def _balance(
    ctx: typer.Context,
    searching: Searching,
    moves_max: MovesMaxOption = None,
    cluster: _ClusterOption = None,
) -> None:
    """Plan to level the load with as few moves as pay for themselves."""
    from godwit.wire import BalanceRequest

    _show(ctx, ask_for(BalanceRequest, searching, moves_most=moves_max), searching, cluster)


def _drain(
    ctx: typer.Context,
    host: HostArgument,
    searching: Searching,
    within: WithinOption = None,
    make_room: MakeRoomOption = False,
    cluster: _ClusterOption = None,
) -> None:
    """Plan to empty a host."""
    from godwit.wire import DrainRequest

    asked = ask_for(
        DrainRequest, searching, host=host, deadline_s=within_s(within), make_room=make_room
    )
    _show(ctx, asked, searching, cluster)


def _evacuate(
    ctx: typer.Context,
    host: HostArgument,
    searching: Searching,
    within: WithinOption = None,
    cluster: _ClusterOption = None,
) -> None:
    """Plan to save what can be saved from a failing host, by priority."""
    from godwit.wire import EvacuateRequest

    asked = ask_for(EvacuateRequest, searching, host=host, deadline_s=within_s(within))
    _show(ctx, asked, searching, cluster)


def _restore(
    ctx: typer.Context,
    searching: Searching,
    host: RestoredHostArgument = None,
    file: FromOption = None,
    cluster: _ClusterOption = None,
) -> None:
    """Plan to bring VMs back to where they were."""
    from godwit.wire import RestoreRequest

    asked = ask_for(RestoreRequest, searching, host=host, placement=placement_from(host, file))
    _show(ctx, asked, searching, cluster)


def _consolidate(
    ctx: typer.Context,
    searching: Searching,
    keep: KeepOption = 2,
    cluster: _ClusterOption = None,
) -> None:
    """Plan to empty as many hosts as is safe."""
    from godwit.wire import ConsolidateRequest

    _show(ctx, ask_for(ConsolidateRequest, searching, hosts_least=keep), searching, cluster)


def _place(
    ctx: typer.Context,
    vm: Annotated[str, typer.Argument(metavar="VM", help="Its name or UUID.")],
    searching: Searching,
    cluster: _ClusterOption = None,
) -> None:
    """Plan the best other host for a VM, and make room there where there is none."""
    from godwit.wire import PlaceRequest

    _show(ctx, ask_for(PlaceRequest, searching, vm=vm), searching, cluster)


def _repair(ctx: typer.Context, searching: Searching, cluster: _ClusterOption = None) -> None:
    """Plan to cure broken rules with the fewest moves."""
    from godwit.wire import RepairRequest

    _show(ctx, ask_for(RepairRequest, searching), searching, cluster)


def _mix(
    ctx: typer.Context,
    searching: Searching,
    drain: _HostsOption = None,
    evacuate: _HostsOption = None,
    place: Annotated[
        list[str] | None,
        typer.Option(metavar="VM", help="A VM to be elsewhere; may be given again."),
    ] = None,
    balance: Annotated[bool, typer.Option("--balance", help="Level the load, too.")] = False,
    repair: Annotated[bool, typer.Option("--repair", help="Cure broken rules, too.")] = False,
    within: WithinOption = None,
    make_room: MakeRoomOption = False,
    cluster: _ClusterOption = None,
) -> None:
    """Plan several things at once, as one plan."""
    from godwit.wire import MixRequest

    asked = ask_for(
        MixRequest,
        searching,
        drain=tuple(drain or ()),
        evacuate=tuple(evacuate or ()),
        place=tuple(place or ()),
        balance=balance,
        repair=repair,
        deadline_s=within_s(within),
        make_room=make_room,
    )
    _show(ctx, asked, searching, cluster)


def _show(
    ctx: typer.Context,
    asked: "wire.SearchedRequest",
    searching: Searching,
    file: Path | None,
) -> None:
    from godwit.cli.screen import Screen
    from godwit.cli.views.plan import how_to_accept, show_plan

    screen = Screen(searching.output)
    plan = _live(ctx, screen, asked) if file is None else _offline(screen, asked, file)
    if screen.is_json:
        screen.document(plan)
        return
    show_plan(screen, plan)
    if file is not None:
        screen.line(f"Planned for the cluster in {file}, as it was when that was saved.")
    else:
        screen.line(f"Nothing was changed.{how_to_accept(plan)}")


def _live(ctx: typer.Context, screen: "Screen", asked: "wire.SearchedRequest") -> "wire.Plan":
    from godwit.cli.session import open_session

    words = planning_words(measure=asked.measure)
    with open_session(ctx, screen) as session, screen.busy(words):
        return session.client.make_plan(asked)


def _offline(screen: "Screen", asked: "wire.SearchedRequest", file: Path) -> "wire.Plan":
    from godwit.formats import read_saved
    from godwit.offline import plan_offline

    with screen.busy(f"reading {file}"):
        cluster = read_saved(file).cluster
    with screen.busy("planning"):
        return plan_offline(cluster, asked)
