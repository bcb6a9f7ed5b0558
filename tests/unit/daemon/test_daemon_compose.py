"""Goal: the parts fit together: a real controller over a real store, hosted, asked and closed."""

import threading
import time

import httpx
import pytest

from godwit.core.model import HostRecord
from godwit.core.rules import DeclaredRule, Pinned
from godwit.core.rules.groups import GroupRule
from godwit.core.rules.policies import PolicyRule
from godwit.daemon import compose
from godwit.daemon.clock import SystemClock
from godwit.daemon.embedded import embedded
from godwit.daemon.settings import Settings
from godwit.engine.measuring import MeasuringLimits
from godwit.ports import Clock, HypervisorHost
from godwit.store import Database


class NoHosts:
    """A connector for an empty inventory."""

    def connect(self, record: HostRecord) -> HypervisorHost:
        pytest.fail(f"nobody knows {record.name}")


def _client(path: str) -> httpx.Client:
    return httpx.Client(transport=httpx.HTTPTransport(uds=path), base_url="http://godwit")


def test_an_empty_cluster_is_served(settings: Settings) -> None:
    with embedded(settings, connector=NoHosts()) as attachment:
        with _client(attachment.socket_path) as client:
            status = client.get("/v1/status").raise_for_status().json()
        assert (status["hosts"], status["is_busy"], attachment.is_busy()) == ([], False, False)


def test_an_open_event_stream_keeps_nobody_from_leaving(settings: Settings) -> None:
    opened = threading.Event()

    def listen(path: str) -> None:
        with _client(path) as client, client.stream("GET", "/v1/watch") as stream:
            opened.set()
            stream.read()

    with embedded(settings, connector=NoHosts()) as attachment:
        listener = threading.Thread(target=listen, args=(attachment.socket_path,))
        listener.start()
        assert opened.wait(5)
        leaving_s = time.monotonic()
    # Well below the grace that answers under way are given: the stream ended by itself.
    assert time.monotonic() - leaving_s < 1.5
    listener.join(5)
    assert not listener.is_alive()


def test_the_rules_of_the_site_reach_the_controller(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: dict[str, object] = {}
    monkeypatch.setattr(compose, "Controller", lambda **parts: given.update(parts))
    rule = GroupRule(name="db", together=False, patterns=("db-*",))
    policy = PolicyRule(pause_max_s=0.5)
    site = DeclaredRule(rule=Pinned(name="stay"))
    ruled = Settings(
        state_directory=settings.state_directory,
        group_rules=(rule,),
        policy_rules=(policy,),
        site_rules=(site,),
        measure_windows_s=(3.0,),
        measure_budget_s=7.0,
        measure_per_host=1,
    )
    database = Database(ruled.state_directory)
    compose.build_controller(ruled, database, connector=NoHosts())
    database.close()
    assert given["group_rules"] == (rule,)
    assert given["policy_rules"] == (policy,)
    assert given["site_rules"] == (site,)
    assert given["measuring"] == MeasuringLimits(windows_s=(3.0,), budget_s=7.0, per_host=1)
    assert isinstance(given["connector"], NoHosts)


async def test_the_clocks_are_those_of_the_machine() -> None:
    clock: Clock = SystemClock()
    assert abs(clock.now_s() - time.time()) < 1
    before_s = clock.monotonic_s()
    await clock.sleep(0.01)
    assert clock.monotonic_s() - before_s >= 0.01
