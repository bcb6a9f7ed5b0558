"""``godwit status``: what goes on now."""

from typing import TYPE_CHECKING, Annotated

import typer

from godwit.cli.options import Output, OutputOption, examples

if TYPE_CHECKING:
    from godwit import wire
    from godwit.cli.screen import Screen

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("status", epilog=examples("godwit status", "godwit status --quick -o json"))(
        _status
    )


def _status(
    ctx: typer.Context,
    quick: Annotated[
        bool, typer.Option("--quick", help="Don't ask the hosts: only what the controller knows.")
    ] = False,
    output: OutputOption = Output.TEXT,
) -> None:
    """Show the hosts, and the migrations in flight and the plans that are carried out."""
    from godwit.cli.screen import Screen
    from godwit.cli.session import open_session

    screen = Screen(output)
    with open_session(ctx, screen) as session:
        cluster = None if quick else session.client.cluster()
        status = session.client.status()
        if screen.is_json:
            # Null: not asked. An empty list: there is none.
            read = None
            if cluster is not None:
                read = [one.model_dump(mode="json") for one in cluster.hosts]
            screen.document(status.model_dump(mode="json") | {"read": read})
            return
        _show(screen, status, cluster, session.where)


def _show(
    screen: "Screen", status: "wire.Status", cluster: "wire.Cluster | None", where: str
) -> None:
    import time

    from godwit.cli.views.hosts import show_hosts, show_records
    from godwit.cli.views.migration import show_in_flight, show_outcome

    screen.line(f"{_summary(status, cluster)}  (Godwit {status.version}, controller: {where})")
    if cluster is not None and cluster.hosts:
        screen.line()
        show_hosts(screen, cluster.hosts)
    elif status.hosts:
        screen.line()
        show_records(screen, status.hosts)
    if status.migrations:
        screen.heading("Migrations in flight")
        show_in_flight(screen, status.migrations, time.time())
    if status.runs:
        screen.heading("Plans under way")
        rows = [
            (
                one.id,
                one.kind,
                one.host or "",
                one.state,
                f"{one.moves_planned - len(one.remaining) + len(one.unplaced)}",
                ", ".join(one.remaining),
            )
            for one in status.runs
        ]
        screen.table(("RUN", "WHAT", "HOST", "STATE", ">MOVED", "STILL TO MOVE"), rows)
    waiting = [one for one in status.migrations if one.needs_person]
    if waiting:
        screen.heading("Waits for a person")
    for one in waiting:
        show_outcome(screen, one)


def _summary(status: "wire.Status", cluster: "wire.Cluster | None") -> str:
    hosts = f"{len(status.hosts)} host{'' if len(status.hosts) == 1 else 's'}"
    aside = []
    silent = [one for one in cluster.hosts if one.unreachable] if cluster is not None else []
    if silent:
        aside.append(f"{len(silent)} without an answer")
    if resting := sum(one.in_maintenance for one in status.hosts):
        aside.append(f"{resting} in maintenance")
    parts = [hosts + (f" ({', '.join(aside)})" if aside else "")]
    count = len(status.migrations)
    parts.append(f"{count or 'no'} migration{'' if count == 1 else 's'} in flight")
    if status.runs:
        parts.append(f"{len(status.runs)} run{'' if len(status.runs) == 1 else 's'}")
    if waiting := sum(one.needs_person for one in status.migrations):
        parts.append(f"{waiting} WAITS FOR A PERSON")
    return ", ".join(parts) + "."
