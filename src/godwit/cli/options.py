"""The options that several commands share, and how their texts become numbers."""

from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar

import typer

from godwit.core.errors import BadValue

if TYPE_CHECKING:
    from pydantic import BaseModel

__all__ = [
    "MOVE_OPTIONS",
    "AbortOption",
    "BandwidthOption",
    "DetachOption",
    "DowntimeOption",
    "DryRunOption",
    "NoMeasureOption",
    "OldDowntimeOption",
    "Output",
    "OutputOption",
    "YesOption",
    "build_request",
    "examples",
    "planning_words",
    "read_labels",
    "read_option",
]

#: The fields of a request for one move, by the option that each comes from.
MOVE_OPTIONS: Final = {
    "vm": "VM",
    "destination": "--to",
    "pause_max_s": "--downtime-max",
    "bandwidth_bytes_per_s": "--bandwidth",
}

_T = TypeVar("_T")
_Model = TypeVar("_Model", bound="BaseModel")


class Output(StrEnum):
    """What is printed."""

    TEXT = "text"
    JSON = "json"


OutputOption = Annotated[
    Output,
    typer.Option("--output", "-o", help="Text for people, or JSON: a document, or a line a step."),
]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Don't ask, do it.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Show the plan and do nothing.")]
DetachOption = Annotated[bool, typer.Option("--detach", help="Start it and don't wait.")]
AbortOption = Annotated[
    bool,
    typer.Option(
        "--abort-on-interrupt",
        help="On Ctrl-C or a closed terminal, cancel it and wait for the outcome, instead of"
        " letting it go on.",
    ),
]
DowntimeOption = Annotated[
    str | None,
    typer.Option(
        "--downtime-max",
        metavar="DURATION",
        help="The longest pause allowed, e.g. 300ms. Can lower a VM's own limit, never raise it.",
        show_default=False,
    ),
]
#: Its name of before still works.
OldDowntimeOption = Annotated[
    str | None, typer.Option("--max-downtime", metavar="DURATION", hidden=True)
]
NoMeasureOption = Annotated[
    bool,
    typer.Option(
        "--no-measure",
        help="Don't watch the VM first; the forecast is made from what is known, and is wider.",
    ),
]
BandwidthOption = Annotated[
    str | None,
    typer.Option(
        metavar="RATE",
        help="The most that a migration may send, e.g. 500mbit or 100MiB/s.",
        show_default=False,
    ),
]


def read_option(option: str, parse: Callable[[str], _T], text: str | None) -> _T | None:
    """Read the text of an option. Raises: BadValue that names the option."""
    if text is None:
        return None
    try:
        return parse(text)
    except BadValue as error:
        raise BadValue(
            f"{option}: {error.message}", evidence=error.evidence, remedy=error.remedy
        ) from error


def read_labels(texts: list[str]) -> dict[str, str]:
    """Read the texts of --label. Raises: BadValue."""
    labels = {}
    for text in texts:
        key, found, value = text.partition("=")
        if not found or not key:
            raise BadValue(
                f"--label: {text!r} is not KEY=VALUE", remedy="For example --label rack=a."
            )
        labels[key] = value
    return labels


def planning_words(*, measure: bool) -> str:
    """Say what a plan waits for."""
    says = "reading the hosts"
    return f"{says}, and how fast memory is written" if measure else says


def build_request(kind: type[_Model], options: dict[str, str], **fields: Any) -> _Model:  # noqa: ANN401
    """Build a request; ``options`` names the option that each field came from.

    Raises: BadValue that names the option whose value can't be used.
    """
    from pydantic import ValidationError

    from godwit.wire.validation import first_complaint

    try:
        return kind(**fields)
    except ValidationError as error:
        key, complaint = first_complaint(error)
        raise BadValue(
            f"{options.get(key.partition('.')[0], key)}: {complaint}",
            remedy="Give another value; --help says what is meant.",
        ) from error


def examples(*lines: str) -> str:
    """Make the end of a command's help: one example a line."""
    return "\n".join(["[bold]Examples[/bold]", *(f"$ {line}" for line in lines)])
