"""The composition root: which store, hypervisors, network and clocks the controller works with.

The drivers are imported inside: a command that only attaches to another controller needs none.
"""

from godwit.daemon.clock import SystemClock
from godwit.daemon.keepers import forwarding_reader, record_rules
from godwit.daemon.settings import Settings
from godwit.engine import Controller
from godwit.engine.measuring import MeasuringLimits
from godwit.ports import Connector
from godwit.store import Database, SqlJournal, SqlKnowledge, SqlStore

__all__ = ["build_controller"]


def build_controller(
    settings: Settings, database: Database, *, connector: Connector | None = None
) -> Controller:
    """Wire a controller, not started yet. A test gives its own ``connector``.

    Must be called in the event loop that the controller is going to live in.
    """
    from godwit.drivers.network import SystemProber  # noqa: PLC0415 - see the module's docstring

    if connector is None:
        from godwit.drivers.libvirt import LibvirtConnector  # noqa: PLC0415

        connector = LibvirtConnector()
    return Controller(
        store=SqlStore(database),
        journal=SqlJournal(database),
        knowledge=SqlKnowledge(database),
        connector=connector,
        prober=SystemProber(),
        clock=SystemClock(),
        group_rules=settings.group_rules,
        policy_rules=settings.policy_rules,
        site_rules=settings.site_rules,
        measuring=MeasuringLimits(
            windows_s=settings.measure_windows_s,
            budget_s=settings.measure_budget_s,
            per_host=settings.measure_per_host,
        ),
        weights=settings.weights,
        probe_every_s=settings.probe_interval_s,
        record_rules=record_rules(settings.records),
        tables=forwarding_reader(settings.forwarding),
    )
