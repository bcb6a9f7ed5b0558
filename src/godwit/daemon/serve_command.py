"""``godwit serve`` on the command line: reads the settings and runs the server, no more."""

import logging
import os
from pathlib import Path
from typing import Annotated

import typer

from godwit.daemon.serve import run_server
from godwit.daemon.settings import load_settings

__all__ = ["app"]

app = typer.Typer()


@app.command()
def serve(
    socket: Annotated[
        Path | None,
        typer.Option(
            "--socket",
            metavar="PATH",
            help="Where to answer. Without it: godwit.sock in the folder of the state.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Run a controller in the foreground until it is told to end; commands then share it.

    It answers on a Unix socket that its user and group may use. There is no TCP yet, because
    requests carry no proof of who asks. Migrations in flight go on when it ends.
    """
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    run_server(load_settings(os.environ), socket)
