"""How a route gets at the controller."""

from typing import Annotated

from fastapi import Depends, Request

from godwit.engine import Controller

__all__ = ["TheController"]


def _controller_of(request: Request) -> Controller:
    controller: Controller = request.app.state.controller
    return controller


TheController = Annotated[Controller, Depends(_controller_of)]
