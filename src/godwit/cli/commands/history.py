"""``godwit history``: the migrations there were, for people and, exported, for programs."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer

from godwit.cli.options import Output, OutputOption, examples
from godwit.core.errors import BadValue

__all__ = ["register"]

#: What the controller lists at most at once.
_MOST: Final = 1000
_LIMIT: Final = 20


class Format(StrEnum):
    """How the export is written."""

    CSV = "csv"
    JSONL = "jsonl"
    PARQUET = "parquet"


def register(app: typer.Typer) -> None:
    """Add the command and the one below it."""
    history = typer.Typer(invoke_without_command=True, rich_markup_mode="rich")
    history.callback(
        epilog=examples(
            "godwit history",
            "godwit history --limit 100 -o json",
            "godwit history export --file moves.csv",
        )
    )(_history)
    history.command(
        "export",
        epilog=examples(
            "godwit history export > moves.csv",
            "godwit history export --format jsonl --file moves.jsonl",
            "godwit history export --format parquet --file moves.parquet",
            "godwit history export --columns      what each column means",
        ),
    )(_export)
    app.add_typer(history, name="history")


def _history(
    ctx: typer.Context,
    limit: Annotated[
        int, typer.Option(min=1, max=_MOST, help="How many, the newest first.")
    ] = _LIMIT,
    output: OutputOption = Output.TEXT,
) -> None:
    """List the migrations, the newest first, with what was measured of each.

    A dash means not measured, never zero.
    """
    if ctx.invoked_subcommand is not None:
        if limit != _LIMIT or output is not Output.TEXT:
            raise BadValue(
                f"--limit and --output of the list mean nothing to {ctx.invoked_subcommand}",
                remedy=f"See `godwit history {ctx.invoked_subcommand} --help`.",
            )
        return
    from godwit.cli.screen import Screen
    from godwit.cli.session import open_session
    from godwit.cli.views.migration import show_migrations

    screen = Screen(output)
    with open_session(ctx, screen) as session:
        migrations = session.client.migrations(limit=limit)
        if screen.is_json:
            screen.document(migrations)
        elif migrations:
            show_migrations(screen, migrations)
        else:
            screen.line("No migration yet. Start one: godwit migrate VM")


def _export(
    ctx: typer.Context,
    kind: Annotated[
        Format,
        typer.Option(
            "--format",
            help="CSV (RFC 4180), one JSON object a line, or Parquet (pip install"
            r" 'godwit\[parquet]').",
        ),
    ] = Format.CSV,
    file: Annotated[Path, typer.Option(help="Where to write it; - for standard output.")] = Path(
        "-"
    ),
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    columns: Annotated[
        bool, typer.Option("--columns", help="Say what each column means, and export nothing.")
    ] = False,
    output: OutputOption = Output.TEXT,
) -> None:
    """Write all migrations for other programs: one row each, the oldest first.

    Units stand in the names of the columns. What was not measured is empty (CSV) or null (JSON,
    Parquet), never zero. Each forecast stands beside its fact.
    """
    from godwit.cli.export import COLUMNS, to_csv, to_jsonl, to_parquet
    from godwit.cli.files import STDOUT, refuse_to_overwrite, write_file, write_stdout
    from godwit.cli.screen import Screen
    from godwit.cli.session import open_session

    screen = Screen(output)
    if columns:
        if screen.is_json:
            screen.document(dict(COLUMNS))
        else:
            screen.table(("COLUMN", "MEANING"), COLUMNS)
        return
    if file != STDOUT:
        refuse_to_overwrite(file, force=force)
    with open_session(ctx, screen) as session:
        migrations = list(session.client.all_migrations())
        content: str | bytes
        match kind:
            case Format.CSV:
                content = to_csv(migrations)
            case Format.JSONL:
                content = to_jsonl(migrations)
            case Format.PARQUET:
                content = to_parquet(migrations)
        if file == STDOUT:
            write_stdout(content)
            return
        write_file(file, content)
        if screen.is_json:
            screen.document({"path": str(file), "rows": len(migrations)})
        else:
            screen.line(str(file))
