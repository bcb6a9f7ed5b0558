"""The outermost frame: loads the commands of other rooms, and turns every error into a few lines.

No command catches what it can't handle itself: it ends up here, once.
"""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import typer
from typer.core import TyperGroup

from godwit.core.errors import Bug, GodwitError, InputError

__all__ = ["RootGroup"]

_EXIT_INTERRUPTED = 130


class RootGroup(TyperGroup):
    """The root command group."""

    mounts: ClassVar[Mapping[str, Callable[[], typer.Typer]]] = {}

    @classmethod
    def with_mounts(cls, mounts: Mapping[str, Callable[[], typer.Typer]]) -> "type[RootGroup]":
        """Return the same group with commands of other rooms."""
        return type("RootGroup", (cls,), {"mounts": dict(mounts)})

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ANN401 - Typer's own context type moved
        """List our commands, then the mounted ones."""
        return [*super().list_commands(ctx), *self.mounts]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ANN401 - see above
        """Return a command, loading it if it is a mounted one."""
        load = self.mounts.get(cmd_name)
        if load is None or cmd_name in self.commands:
            return _unfolded(super().get_command(ctx, cmd_name))
        command = typer.main.get_command(load())
        command.name = cmd_name
        # Completion is installed once, for the whole.
        command.params = [
            one
            for one in command.params
            if one.name not in {"install_completion", "show_completion"}
        ]
        self.commands[cmd_name] = command
        return _unfolded(command)

    def format_help(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401 - see above
        """Print the help of the root."""
        self.help = _unfold(self.help)
        super().format_help(ctx, formatter)

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,  # noqa: ANN401 - the signature is Typer's
    ) -> Any:  # noqa: ANN401 - see above
        """Run a command line and leave with its exit status."""
        given = list(sys.argv[1:] if args is None else args)
        try:
            status = super().main(
                args=given,
                prog_name=prog_name or "godwit",
                complete_var=complete_var,
                standalone_mode=False,
                windows_expand_args=windows_expand_args,
                **extra,
            )
        except BaseException as error:  # noqa: BLE001 - the last place where anything is caught
            status = _status_after(error, as_json=_wants_json(given))
        status = status if isinstance(status, int) else 0
        if standalone_mode:
            sys.exit(status)
        return status


def _unfolded(command: Any) -> Any:  # noqa: ANN401 - see above
    """Give the help of a command, and of those below it, lines as long as the terminal is."""
    if command is not None:
        command.help = _unfold(command.help)
        for below in getattr(command, "commands", {}).values():
            _unfolded(below)
    return command


def _unfold(text: str | None) -> str | None:
    # Docstrings are folded for readers of the source, at another width than the terminal's.
    if text is None:
        return None
    parts = text.split("\n\n")
    return "\n\n".join(one if one.startswith("\b") else " ".join(one.split()) for one in parts)


def _wants_json(args: Sequence[str]) -> bool:
    """Whether errors are to be JSON: asked of the arguments, which may be what the error is."""
    pairs = zip(args, [*args[1:], ""], strict=True)
    return any(
        one in {"--output=json", "-ojson"} or (one in {"--output", "-o"} and value == "json")
        for one, value in pairs
    )


def _status_after(error: BaseException, *, as_json: bool) -> int:
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else 1
    if isinstance(error, KeyboardInterrupt | typer.Abort):
        return _EXIT_INTERRUPTED
    if isinstance(error, BrokenPipeError):
        # Whoever read our output has read enough. Python would complain at exit otherwise.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    from godwit.cli.failures import print_failure

    return print_failure(_as_ours(error), as_json=as_json)


def _as_ours(error: BaseException) -> GodwitError:
    if isinstance(error, GodwitError):
        return error
    # Typer's usage errors: which module they come from depends on its version.
    say = getattr(error, "format_message", None)
    if callable(say):
        ctx = getattr(error, "ctx", None)
        path = ctx.command_path if ctx is not None else "godwit"
        return InputError(str(say()) or "no command was given", remedy=f"See `{path} --help`.")
    if os.environ.get("GODWIT_TRACEBACK"):
        import traceback

        traceback.print_exception(error)
    bug = Bug(
        "Godwit made a mistake of its own",
        evidence=f"{type(error).__name__}: {error}",
        remedy="Run it again with GODWIT_TRACEBACK=1 and report what it prints. Migrations in"
        " flight are not affected: see `godwit status`.",
    )
    bug.__cause__ = error
    return bug
