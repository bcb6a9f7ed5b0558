"""The command ``godwit``: puts the command line, the daemon and the lab together.

The rooms are loaded when they are used: a look at the help loads none of them.
"""

import os
import sys
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import typer

    from godwit.cli import Attachment

__all__ = ["main"]

_EXIT_INTERRUPTED: Final = 130


def main() -> None:
    """Run the command line of this process and leave with its exit status."""
    try:
        from godwit.cli import build_app  # noqa: PLC0415 - Ctrl-C may come while it is loaded
    except KeyboardInterrupt:
        sys.exit(_EXIT_INTERRUPTED)
    build_app(attach=_attach, mounts={"lab": _lab, "serve": _serve})()


def _attach() -> "AbstractContextManager[Attachment]":
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
