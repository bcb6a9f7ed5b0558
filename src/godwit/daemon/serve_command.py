"""``godwit serve`` on the command line: reads the settings and runs the server, no more."""

import logging
import os
from pathlib import Path
from typing import Annotated

import typer

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
    # Late, because the list of all commands loads this module.
    from godwit.daemon.serve import run_server  # noqa: PLC0415
    from godwit.daemon.settings import load_settings  # noqa: PLC0415

    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    # It would log the whole URL of each webhook, and what is secret in it.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    run_server(load_settings(os.environ), socket)
