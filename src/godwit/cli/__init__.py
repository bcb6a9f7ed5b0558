"""The command line: HTTP only, through ``godwit.client``.

It holds no state and decides nothing about the cluster: it asks, shows, and asks the person. Which
controller it speaks to is given to it: an address, or a way to attach to one of its own.
"""

from godwit.cli.app import build_app
from godwit.cli.session import Attach, Attachment

__all__ = ["Attach", "Attachment", "build_app"]
