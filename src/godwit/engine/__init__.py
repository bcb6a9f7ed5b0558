"""The async shell: observes, carries out what the core decided, journals first, recovers.

The only place where time passes and hosts are asked. It decides nothing: the planner chooses,
``step`` and ``reconcile`` judge.
"""

from godwit.engine.controller import Controller
from godwit.engine.notices import Notice, NoticeKind
from godwit.engine.views import Acceptance, RunState, RunView, VmInsight

__all__ = [
    "Acceptance",
    "Controller",
    "Notice",
    "NoticeKind",
    "RunState",
    "RunView",
    "VmInsight",
]
