"""``godwit policy``: what a VM's owner promises and permits, shown and set."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from godwit.cli.options import (
    Output,
    OutputOption,
    build_request,
    examples,
    read_labels,
    read_option,
)
from godwit.core.errors import BadValue
from godwit.core.units import parse_duration

if TYPE_CHECKING:
    from godwit.wire import PolicyChange

__all__ = ["register"]

_VmArgument = Annotated[str, typer.Argument(metavar="VM", help="Its name or UUID.")]


class YesNo(StrEnum):
    """A permission."""

    YES = "yes"
    NO = "no"


def _duration_option(name: str, says: str) -> Any:  # noqa: ANN401 - what Typer takes
    return typer.Option(name, metavar="DURATION", help=says, show_default=False)


def register(app: typer.Typer) -> None:
    """Add the command and those below it."""
    policy = typer.Typer(no_args_is_help=True, rich_markup_mode="rich")
    policy.command(
        "show", epilog=examples("godwit policy show web1", "godwit policy show web1 -o json")
    )(_show)
    policy.command(
        "set",
        epilog=examples(
            "godwit policy set web1 --downtime-max 300ms --deadline 10m",
            "godwit policy set db1 --throttle yes --postcopy no --label tier=db",
            "godwit policy set web1 --unset deadline --unset throttle",
        ),
    )(_set)
    app.add_typer(policy, name="policy", help="What a VM's owner promises and permits.")


def _show(ctx: typer.Context, vm: _VmArgument, output: OutputOption = Output.TEXT) -> None:
    """Show what holds for a VM, field by field, and who says so.

    The VM's own metadata goes first, then the policy entries of godwit.toml, then defaults.
    """
    from godwit.cli.screen import Screen
    from godwit.cli.session import open_session
    from godwit.cli.views.policy import show_policy

    screen = Screen(output)
    with open_session(ctx, screen) as session:
        policy = session.client.policy(vm)
        if screen.is_json:
            screen.document(policy)
        else:
            show_policy(screen, policy)


def _set(
    ctx: typer.Context,
    vm: _VmArgument,
    downtime_max: Annotated[
        str | None, _duration_option("--downtime-max", "The promise: never a longer pause.")
    ] = None,
    downtime_target: Annotated[
        str | None, _duration_option("--downtime-target", "The pause that is aimed at.")
    ] = None,
    longer_downtime: Annotated[
        str | None, _duration_option("--longer-downtime", "Permit this much as the last resort.")
    ] = None,
    deadline: Annotated[
        str | None, _duration_option("--deadline", "How long a whole migration may take.")
    ] = None,
    throttle: Annotated[
        YesNo | None,
        typer.Option(
            help="Whether its vCPUs may be slowed while it is copied.", show_default=False
        ),
    ] = None,
    postcopy: Annotated[
        YesNo | None,
        typer.Option(
            help="Whether it may run at the destination before all its memory is there.",
            show_default=False,
        ),
    ] = None,
    priority: Annotated[
        int | None,
        typer.Option(help="Higher ones leave a drained host first.", show_default=False),
    ] = None,
    label: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="A label, added to those there are."),
    ] = None,
    unset: Annotated[
        list[str] | None,
        typer.Option(metavar="FIELD", help="Take a field out of the VM's metadata."),
    ] = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Write fields into a VM's own metadata; they travel with it. The others stay as they are.

    What can't be meant changes nothing. Running migrations keep the policy they began with.
    """
    from godwit.cli.screen import Screen
    from godwit.cli.session import open_session
    from godwit.cli.views.policy import show_policy_change

    change = _change(
        pause_max_s=read_option("--downtime-max", parse_duration, downtime_max),
        pause_target_s=read_option("--downtime-target", parse_duration, downtime_target),
        pause_longer_s=read_option("--longer-downtime", parse_duration, longer_downtime),
        deadline_s=read_option("--deadline", parse_duration, deadline),
        may_throttle=None if throttle is None else throttle is YesNo.YES,
        may_postcopy=None if postcopy is None else postcopy is YesNo.YES,
        priority=priority,
        labels=read_labels(label) if label else None,
        unset=tuple(_field_of(one) for one in unset or ()),
    )
    screen = Screen(output)
    with open_session(ctx, screen) as session:
        changed = session.client.change_policy(vm, change)
        if screen.is_json:
            screen.document(changed)
        else:
            show_policy_change(screen, changed)


def _change(**fields: Any) -> "PolicyChange":  # noqa: ANN401 - each its own
    from godwit.cli.views.policy import FIELD_NAMES
    from godwit.wire import PolicyChange

    if all(one in (None, ()) for one in fields.values()):
        raise BadValue(
            "nothing is to be changed",
            remedy="Name a field, for example --downtime-max 300ms; --help lists them.",
        )
    options = {name: f"--{said}" for name, said in FIELD_NAMES.items()} | {"labels": "--label"}
    return build_request(PolicyChange, options, **fields)


def _field_of(name: str) -> str:
    from godwit.cli.views.policy import FIELD_NAMES
    from godwit.wire.near import did_you_mean

    said = name.removeprefix("--")
    for field, known in FIELD_NAMES.items():
        if said == known:
            return field
    raise BadValue(
        f"--unset: a policy has no field {name!r}",
        remedy=did_you_mean(said, FIELD_NAMES.values())
        or f"Its fields: {', '.join(FIELD_NAMES.values())}.",
    )
