"""Pre-copy: the steering of the pause limit while a migration runs.

The forecast of a migration before its start, and the choice between recipes, are not here yet.
"""

from godwit.core.precopy.steering import GiveUp, Keep, Order, RaisePause, steer

__all__ = ["GiveUp", "Keep", "Order", "RaisePause", "steer"]
