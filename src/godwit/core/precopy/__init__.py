"""Pre-copy: the steering of a migration while it runs."""

from godwit.core.precopy.orders import (
    GiveUp,
    Keep,
    Order,
    RaiseBandwidth,
    RaisePause,
    RaiseThrottle,
    Situation,
    StartPostcopy,
)
from godwit.core.precopy.steering import steer

__all__ = [
    "GiveUp",
    "Keep",
    "Order",
    "RaiseBandwidth",
    "RaisePause",
    "RaiseThrottle",
    "Situation",
    "StartPostcopy",
    "steer",
]
