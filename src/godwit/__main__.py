"""The command ``godwit``: puts the command line, the daemon and the lab together.

The rooms are loaded when they are used: a look at the help loads none of them.
"""

import os
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from godwit.cli import Attachment, build_app

if TYPE_CHECKING:
    import typer

__all__ = ["main"]


def main() -> None:
    """Run the command line of this process and leave with its exit status."""
    build_app(attach=_attach, mounts={"lab": _lab, "serve": _serve})()


def _attach() -> AbstractContextManager[Attachment]:
    from godwit.daemon.embedded import embedded  # noqa: PLC0415 - see the module's docstring
    from godwit.daemon.settings import load_settings  # noqa: PLC0415

    return embedded(load_settings(os.environ))


def _lab() -> "typer.Typer":
    from godwit.lab.cli import app  # noqa: PLC0415

    return app


def _serve() -> "typer.Typer":
    from godwit.daemon.serve_command import app  # noqa: PLC0415

    return app


if __name__ == "__main__":
    main()
