"""Markup that can't be forged: whatever is not markup already is escaped when it is put in.

Names of VMs and messages of libvirt are foreign text. There is no way here to declare a piece of
text safe except by building it from elements. It deliberately knows no HTML beyond the syntax, and
writes it so that it is well-formed XML too.
"""

import html
import re
from typing import Final

__all__ = ["Markup", "element", "join"]

#: What no page may hold, and what turns the direction of text around to disguise it.
_UNSEEN: Final = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069"
    "\ud800-\udfff\ufeff\ufffe\uffff]"
)
_VOID: Final = frozenset({"br", "meta", "circle", "line", "path", "rect", "polygon"})


class Markup(str):
    """Text that was built by this module. Adding plain text to it gives plain text again."""

    __slots__ = ()


def join(*parts: str) -> Markup:
    """Put parts one after the other; those that are not markup are escaped."""
    return Markup("".join(_escaped(part) for part in parts))


def element(name: str, /, *children: str, **attributes: str | float | None) -> Markup:
    """Build an element. ``class_`` is class, ``stroke_width`` stroke-width; None is left out."""
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{_escaped(_plain(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in _VOID and not children:
        return Markup(f"<{name}{given}/>")
    return Markup(f"<{name}{given}>{join(*children)}</{name}>")


def _escaped(part: str) -> str:
    if isinstance(part, Markup):
        return part
    return html.escape(_UNSEEN.sub("\ufffd", part), quote=True)


def _plain(value: str | float) -> str:
    if isinstance(value, str):
        return value
    return f"{value:.2f}".rstrip("0").rstrip(".")
