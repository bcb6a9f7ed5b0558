"""``godwit report``: the page of one migration, with its plots."""

import re
import time
from pathlib import Path
from typing import Annotated

import typer

from godwit.cli.options import Output, OutputOption, examples

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        "report",
        epilog=examples(
            "godwit report m-3f9a2c",
            "godwit report web1      the last migration of a VM",
            "godwit report m-3f9a2c --file /srv/www/moves/web1.html",
        ),
    )(_report)


def _report(
    ctx: typer.Context,
    what: Annotated[
        str, typer.Argument(metavar="MIGRATION", help="The id, or a VM for its last migration.")
    ],
    file: Annotated[
        Path | None,
        typer.Option(
            help="Where to write it; - for standard output. Otherwise godwit-report-ID.html here.",
            show_default=False,
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace a file that is not such a report.")
    ] = False,
    output: OutputOption = Output.TEXT,
) -> None:
    """Write one migration as an HTML page that needs nothing else: plots, rounds, decisions.

    It works for failed, cancelled and unfinished migrations too, and says what is not known. A
    report of before is replaced, any other file is not.
    """
    from godwit.cli.files import STDOUT, refuse_to_overwrite, write_file, write_stdout
    from godwit.cli.finding import find_migration
    from godwit.cli.report import SIGNATURE, render_report
    from godwit.cli.screen import Screen
    from godwit.cli.session import open_session

    screen = Screen(output)
    with open_session(ctx, screen) as session:
        migration = find_migration(session.client, what)
        page = render_report(migration, now_s=time.time())
        path = file if file is not None else Path(f"godwit-report-{_as_name(migration.id)}.html")
        if path == STDOUT:
            write_stdout(page)
            return
        # Every report begins with it, so that one can be written anew.
        refuse_to_overwrite(path, force=force, is_ours=lambda begin: begin.startswith(SIGNATURE))
        write_file(path, page)
        if screen.is_json:
            screen.document({"migration": migration.id, "path": str(path)})
        else:
            screen.line(str(path))


def _as_name(migration_id: str) -> str:
    # The id comes from the controller, which may be anywhere.
    return re.sub(r"[^A-Za-z0-9-]", "_", migration_id)
