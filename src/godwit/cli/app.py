"""The root command: what all commands share, and the list of them."""

from collections.abc import Callable, Mapping
from typing import Annotated

import typer

from godwit import __version__
from godwit.cli.commands import (
    accept,
    balance,
    cancel,
    cluster,
    consolidate,
    drain,
    evacuate,
    forecast,
    history,
    host,
    migrate,
    plan,
    policy,
    repair,
    report,
    resolve,
    restore,
    rules,
    scan,
    show,
    status,
    undrain,
    why,
)
from godwit.cli.root import RootGroup
from godwit.cli.session import Attach, Settings

__all__ = ["build_app"]

_EPILOG = (
    "[bold]Where the controller is.[/bold] With --server or $GODWIT_SERVER, commands speak to that"
    " one. Without, a command starts one inside itself for as long as it lasts; commands at the"
    " same time share it."
    "\n\n"
    "[bold]Exit status.[/bold] 0: done. 1: the work failed (a migration failed, a plan was done in"
    " part, a hard rule is broken). 2: bad input. 3: refused now (no destination, stale plan, store"
    " busy). 4: the world is wrong (host unreachable, something missing). 5: the outcome is"
    " unknown, or a person is needed. 70: a bug of Godwit. 130: interrupted (migrations go on)."
)


def build_app(
    *, attach: Attach, mounts: Mapping[str, Callable[[], typer.Typer]] | None = None
) -> typer.Typer:
    """Build the command line.

    ``attach`` starts or joins a controller when no server is configured. ``mounts`` are commands
    of other rooms, loaded when they are called.
    """
    app = typer.Typer(
        name="godwit",
        cls=RootGroup.with_mounts(mounts or {}),
        rich_markup_mode="rich",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["--help", "-h"]},
        epilog=_EPILOG,
    )

    @app.callback()
    def root(
        ctx: typer.Context,
        server: Annotated[
            str | None,
            typer.Option(
                envvar="GODWIT_SERVER",
                help="The controller: the path of its socket, or its http URL.",
                show_default=False,
            ),
        ] = None,
        version: Annotated[
            bool,
            typer.Option(
                "--version", help="Print the version.", callback=_print_version, is_eager=True
            ),
        ] = False,
    ) -> None:
        """Move running virtual machines between KVM hosts without their users noticing.

        Start with `godwit host add URI`, look with `godwit scan`, then `godwit migrate VM`,
        `godwit drain HOST` or `godwit balance`: each shows its plan first and asks.
        """
        del version
        ctx.obj = Settings(server=server or None, attach=attach)

    host.register(app)
    cluster.register(app)
    policy.register(app)
    rules.register(app)
    for module in (scan, status, forecast, migrate, drain, undrain, restore, evacuate):
        module.register(app)
    for module in (balance, consolidate, repair, plan, accept, cancel, resolve):
        module.register(app)
    for module in (why, history, show, report):
        module.register(app)
    return app


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"godwit {__version__}")
        raise typer.Exit
