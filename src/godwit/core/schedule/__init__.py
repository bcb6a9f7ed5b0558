"""When: turns moves into a timed plan. Where they go has been decided; nothing is carried out.

``make_schedule`` finds an order in which every host has room at every instant, through transit
hosts where full hosts wait for each other, and times it on the links that the moves share.
"""

from godwit.core.schedule.effort import Effort, effort_of_forecast, effort_of_memory
from godwit.core.schedule.making import make_schedule
from godwit.core.schedule.request import Search, Wanted

__all__ = [
    "Effort",
    "Search",
    "Wanted",
    "effort_of_forecast",
    "effort_of_memory",
    "make_schedule",
]
