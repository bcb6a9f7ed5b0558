"""How a route gets at the controller, and at a host that a request names."""

from typing import Annotated

from fastapi import Depends, Request

from godwit.core.errors import UnknownHost
from godwit.core.model import HostName
from godwit.engine import Controller
from godwit.wire.near import did_you_mean

__all__ = ["TheController", "named_host"]


def _controller_of(request: Request) -> Controller:
    controller: Controller = request.app.state.controller
    return controller


TheController = Annotated[Controller, Depends(_controller_of)]


def named_host(controller: Controller, name: str) -> HostName:
    """Return the name of a recorded host. Raises: UnknownHost, naming those that look like it."""
    known = [one.name for one in controller.host_records()]
    if name not in known:
        raise UnknownHost(
            f"no host {name!r} is in the inventory",
            remedy=did_you_mean(name, known)
            or "See `godwit host list`; add one with `godwit host add`.",
        )
    return HostName(name)
