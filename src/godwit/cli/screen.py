"""What a command prints on: text for people, columns for pipes, or JSON.

On a terminal, tables fit its width. Anywhere else no line is folded or cut, so that what is
printed can be searched.
"""

import json
import sys
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from pydantic import BaseModel
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from godwit.cli.folding import fold_for_errors
from godwit.cli.options import Output

__all__ = ["Screen"]

#: Wide enough that nothing is ever folded.
_UNFOLDED = 4000


class Screen:
    """The two streams of a command."""

    def __init__(self, output: Output) -> None:
        self.is_json = output is Output.JSON
        self.is_terminal = sys.stdout.isatty()
        # A terminal that can't show a character gets a question mark, not an exception.
        for stream in (sys.stdout, sys.stderr):
            reconfigure = getattr(stream, "reconfigure", None)
            if reconfigure is not None:
                reconfigure(errors="replace")
        width = None if self.is_terminal else _UNFOLDED
        self.console = Console(width=width, highlight=False, emoji=False, markup=False)

    @property
    def can_ask(self) -> bool:
        """Whether there is a person to ask."""
        return self.is_terminal and sys.stdin.isatty() and not self.is_json

    def document(self, value: BaseModel | Sequence[BaseModel] | dict[str, Any]) -> None:
        """Print one JSON document."""
        print(json.dumps(_plain(value), indent=2), flush=True)

    def event(self, name: str, **fields: BaseModel | str | float | None) -> None:
        """Print one JSON line."""
        line = {"event": name} | {key: _plain(value) for key, value in fields.items()}
        print(json.dumps(line), flush=True)

    def line(self, text: str = "", *, style: str = "", indent: int = 0) -> None:
        """Print a line; on a terminal, folded lines keep their indent."""
        if self.is_terminal:
            inside = Text(text, style=style)
            self.show(Padding(inside, (0, 0, 0, indent), expand=False) if indent else inside)
        else:
            print(" " * indent + text, flush=True)

    def heading(self, text: str) -> None:
        """Print the title of what follows."""
        self.line()
        self.line(text, style="bold")

    def show(self, what: RenderableType) -> None:
        """Print something of Rich's."""
        self.console.print(what, crop=False)

    def busy(self, text: str) -> AbstractContextManager[object]:
        """Say on a terminal that something takes its time, and take it back when it is over."""
        if self.is_json or not self.is_terminal:
            return nullcontext()
        return self.console.status(text)

    def note(self, text: str) -> None:
        """Say something beside the answer, on the error stream."""
        if self.is_json:
            print(json.dumps({"note": text}), file=sys.stderr, flush=True)
        else:
            print(fold_for_errors(text), file=sys.stderr, flush=True)

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """Print rows under their columns; a column name that begins with > is set to the right."""
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
        for column in columns:
            table.add_column(
                Text(column.removeprefix(">")),
                justify="right" if column.startswith(">") else "left",
                overflow="fold",
            )
        for row in rows:
            table.add_row(*(Text(cell) for cell in row))
        self.show(table)


def _plain(value: object) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value
