"""Options that many commands share, written once: a parameter that is a dataclass becomes options.

Each field of the dataclass is an option like any parameter of a command, with its default.
"""

import inspect
from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, get_type_hints

__all__ = ["gathered"]


def gathered(command: Callable[..., None]) -> Callable[..., None]:
    """Return the command with the fields of its dataclass parameters in their places."""
    own = inspect.signature(command).parameters
    groups: dict[str, Any] = {
        name: one.annotation for name, one in own.items() if is_dataclass(one.annotation)
    }

    def run(**given: Any) -> None:  # noqa: ANN401 - whatever Typer read
        for name, group in groups.items():
            given[name] = group(**{one.name: given.pop(one.name) for one in fields(group)})
        command(**given)

    parameters = []
    for name, one in own.items():
        shared = _options_of(groups[name]) if name in groups else [one]
        parameters += [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in shared]
    run.__name__ = command.__name__
    run.__doc__ = command.__doc__
    run.__annotations__ = {one.name: one.annotation for one in parameters}
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return run


def _options_of(group: Any) -> list[inspect.Parameter]:  # noqa: ANN401 - any dataclass
    hints = get_type_hints(group, include_extras=True)
    return [
        inspect.Parameter(
            one.name,
            inspect.Parameter.KEYWORD_ONLY,
            annotation=hints[one.name],
            default=inspect.Parameter.empty if one.default is MISSING else one.default,
        )
        for one in fields(group)
    ]
