"""``godwit undrain``: let a host take VMs again."""

from typing import Annotated

import typer

from godwit.cli.options import Output, OutputOption, examples

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("undrain", epilog=examples("godwit undrain kvm1"))(_undrain)


def _undrain(
    ctx: typer.Context,
    host: Annotated[str, typer.Argument(metavar="HOST", help="The host.")],
    output: OutputOption = Output.TEXT,
) -> None:
    """Take a host out of maintenance: it may be given VMs again. None is moved back by this."""
    from godwit.cli.screen import Screen
    from godwit.cli.session import open_session

    screen = Screen(output)
    with open_session(ctx, screen) as session:
        was_on = any(one.name == host and one.in_maintenance for one in session.client.hosts())
        record = session.client.set_maintenance(host, on=False)
        if screen.is_json:
            screen.document(record)
        elif was_on:
            screen.line(f"{host} is out of maintenance and may be given VMs again.")
        else:
            screen.line(f"{host} was not in maintenance.")
