"""``godwit why``: the reasons of a migration or a plan, and what decisions rest on."""

from typing import TYPE_CHECKING, Annotated

import typer

from godwit.cli.ids import RUN_ID
from godwit.cli.options import Output, OutputOption, examples

if TYPE_CHECKING:
    from godwit import wire
    from godwit.client import Client

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        "why",
        epilog=examples(
            "godwit why m-3f9a2c      why this host and recipe; forecast against fact",
            "godwit why p-77c1d0      what each move gains and costs; why these VMs, why no more",
            "godwit why web1          its policy, what was learnt, where it could go",
            "godwit why kvm1          what it can, its paths, which VMs could leave",
        ),
    )(_why)


def _why(
    ctx: typer.Context,
    what: Annotated[
        str,
        typer.Argument(metavar="MIGRATION|PLAN|VM|HOST", help="The id of one of these, or a name."),
    ],
    output: OutputOption = Output.TEXT,
) -> None:
    """Give the reasons: for what a migration did, for a plan, or for what would be decided now.

    A name that a host and a VM share means the host; name the VM by its UUID then.
    """
    from godwit.cli.screen import Screen
    from godwit.cli.session import open_session
    from godwit.cli.views.plan import show_plan
    from godwit.cli.views.why import show_why_host, show_why_migration, show_why_vm
    from godwit.wire import HostInsight, Plan, VmInsight

    screen = Screen(output)
    with open_session(ctx, screen) as session:
        found = _find(session.client, what)
        if screen.is_json:
            screen.document(found)
        elif isinstance(found, HostInsight):
            show_why_host(screen, found)
        elif isinstance(found, VmInsight):
            show_why_vm(screen, found)
        elif isinstance(found, Plan):
            show_plan(screen, found)
        else:
            show_why_migration(screen, found)


def _find(
    client: "Client", what: str
) -> "wire.MigrationDetail | wire.Plan | wire.HostInsight | wire.VmInsight":
    """Find what is meant. Raises: UnknownMigration, UnknownVm, naming what looks like it."""
    from godwit.core.errors import UnknownMigration, UnknownVm

    if any(one.name == what for one in client.hosts()):
        return client.host_insight(what)
    if (plan := _plan(client, what)) is not None:
        return plan
    try:
        return client.migration(what)
    except UnknownMigration as error:
        try:
            return client.vm_insight(what)
        except UnknownVm:
            if what.startswith("m-"):
                raise error from None
            raise


def _plan(client: "Client", what: str) -> "wire.Plan | None":
    """The plan of that id, or the one that a run of that id carries out."""
    from godwit.core.errors import UnknownPlan

    try:
        if what.startswith("p-"):
            return client.plan(what)
        if RUN_ID.fullmatch(what):
            return client.run(what).plan
    except UnknownPlan:
        # A VM may be named like that.
        return None
    return None
