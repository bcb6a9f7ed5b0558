"""What can be read off a libvirt URI: a name for the host, and how its peers reach it.

It asks no resolver and no host: it only looks at the text.
"""

import re
from typing import Final
from urllib.parse import urlsplit

from godwit.core.errors import BadValue

__all__ = ["check_host_name", "check_uri", "default_host_name", "is_local"]

_EXAMPLE: Final = "Write a libvirt URI, for example qemu+ssh://root@kvm1/system."
_SCHEME: Final = re.compile(r"[a-z]+(\+[a-z0-9]+)?\Z")
#: Names stand in URLs, in file names and in column one of every table.
_HOST_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}\Z")


def check_uri(uri: str) -> str:
    """Return the URI when it has the shape of a libvirt URI. Raises: BadValue."""
    if uri != uri.strip() or any(one.isspace() for one in uri):
        raise BadValue(f"{uri!r} is not a libvirt URI: it has blanks in it", remedy=_EXAMPLE)
    scheme, found, rest = uri.partition("://")
    if not found or not _SCHEME.match(scheme):
        raise BadValue(f"{uri!r} is not a libvirt URI", remedy=_EXAMPLE)
    try:
        parts = urlsplit(uri)
        _ = parts.port  # raises when it is not a number
    except ValueError as error:
        raise BadValue(
            f"{uri!r} is not a libvirt URI", evidence=str(error), remedy=_EXAMPLE
        ) from error
    if "/" not in rest or parts.path in {"", "/"}:
        raise BadValue(
            f"{uri!r} is not a libvirt URI: the path is missing",
            remedy=f"Add /system at its end: {scheme}://{rest.rstrip('/')}/system.",
        )
    return uri


def check_host_name(name: str) -> str:
    """Return the name when it can name a host. Raises: BadValue."""
    if not _HOST_NAME.match(name):
        raise BadValue(
            f"{name!r} can't be the name of a host",
            remedy="Use letters, digits, dots, dashes and underscores, at most 63 of them.",
        )
    return name


def is_local(uri: str) -> bool:
    """Whether the URI means "this machine": another host that used it would reach itself."""
    return not urlsplit(uri).hostname


def default_host_name(uri: str) -> str:
    """Return the host part of a URI. Raises: BadValue when it has none."""
    host = urlsplit(uri).hostname
    if not host:
        raise BadValue(
            f"{uri} names no host, so the host needs a name",
            remedy="Give it one with --name (in a hosts file: name = ...).",
        )
    # An IPv6 address has colons, which no name may have.
    return check_host_name(host.replace(":", "-").strip("-"))
