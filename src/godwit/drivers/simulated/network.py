"""The networks between controller, daemons and QEMUs: how fast, and what is cut.

Three paths that fail apart: management (controller to daemon), control (daemon to daemon) and data
(QEMU to QEMU). A cut path swallows everything; nobody is told.
"""

from collections.abc import Callable

from godwit.core.model import HostName

__all__ = ["Network"]

_Pair = frozenset[HostName]


class Network:
    """All links of a world. ``data_bytes_per_s`` is what each host's migration link carries."""

    def __init__(self, *, data_bytes_per_s: float, changed: Callable[[], None]) -> None:
        self.data_bytes_per_s = data_bytes_per_s
        self._changed = changed
        self._management: set[HostName] = set()
        self._control: set[_Pair] = set()
        self._data: set[_Pair] = set()

    def cut_management(self, host: HostName) -> None:
        """Cut a host off from the controller."""
        self._management.add(host)
        self._changed()

    def cut_control(self, one: HostName, other: HostName) -> None:
        """Cut two daemons off from each other."""
        self._control.add(frozenset({one, other}))
        self._changed()

    def cut_data(self, one: HostName, other: HostName) -> None:
        """Stop every migration stream between two hosts."""
        self._data.add(frozenset({one, other}))
        self._changed()

    def mend(self) -> None:
        """Join everything again."""
        for cut in (self._management, self._control, self._data):
            cut.clear()
        self._changed()

    def reaches(self, host: HostName) -> bool:
        """Whether the controller's packets get to a host and back."""
        return host not in self._management

    def joins_daemons(self, one: HostName, other: HostName) -> bool:
        """Whether two daemons' packets get through."""
        return frozenset({one, other}) not in self._control

    def carries_data(self, one: HostName, other: HostName) -> bool:
        """Whether a migration stream gets through."""
        return frozenset({one, other}) not in self._data
