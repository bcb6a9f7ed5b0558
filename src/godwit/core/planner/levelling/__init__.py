"""Levelling: few moves that make bins alike, by local search over plain tables.

``levels.py`` says what can be asked, ``levelling.py`` is what callers use, ``workbench.py`` what
else can be asked of a problem. The kernels (``costing``, ``moving``, ``exchanging``,
``descending``, ``shaking``, ``ordering``) run as Python or compiled: see ``twice.py``. They know
neither VM nor host, have no clock, and no chance but their seed.
"""

from godwit.core.planner.levelling.levelling import Levelled, LevelMove, improve, level, prepare
from godwit.core.planner.levelling.levels import Levels, build_levels
from godwit.core.planner.levelling.workbench import Workbench

__all__ = [
    "LevelMove",
    "Levelled",
    "Levels",
    "Workbench",
    "build_levels",
    "improve",
    "level",
    "prepare",
]
