"""The typed client of the API: HTTP only, over a Unix socket or a URL.

It raises the same errors as the engine, rebuilt from the problems that the API answers. It never
reconnects by itself: what a lost answer means is for the caller to decide.
"""

from godwit.client.client import Client
from godwit.client.failures import ControllerUnreachable

__all__ = ["Client", "ControllerUnreachable"]
