"""Goal: leaving is never cancelling, cancelling is on request, and a lost controller is no loss.

Method: migrations that stay in their copy until they are released; signals to this process; the
server taken away under a command that follows.
"""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from api_fakes import Plot, World
from cli_fakes import CommandLine

from godwit.core.migration import Phase
from godwit.core.model import MigrationId


@pytest.fixture
def copying(world: World) -> World:
    """Migrations of web1 and web2 stay in their copy until released or cancelled."""
    world.controller.plots["web1"] = Plot(holds_in=Phase.COPYING)
    world.controller.plots["web2"] = Plot(holds_in=Phase.COPYING)
    return world


@contextmanager
def _meanwhile(holds: Callable[[], bool], then: Callable[[], None]) -> Iterator[None]:
    """Do something in another thread as soon as something holds."""

    def work() -> None:
        deadline = time.monotonic() + 10
        while not holds() and time.monotonic() < deadline:
            time.sleep(0.005)
        then()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    yield
    thread.join(timeout=10)


def _followed(world: World, count: int = 1) -> Callable[[], bool]:
    """Whether a command follows so many migrations that copy."""

    def holds() -> bool:
        phases = [one.phase for one in list(world.controller.values.values())]
        return phases.count(Phase.COPYING) >= count and world.controller.watchers > 0

    return holds


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP, signal.SIGTERM])
def test_an_interrupt_leaves_the_migration_going(
    godwit: CommandLine, copying: World, number: signal.Signals
) -> None:
    with _meanwhile(_followed(copying), lambda: os.kill(os.getpid(), number)):
        ran = godwit("migrate", "web1", "--yes")
    assert ran.status == 130
    assert "; `godwit status` to follow" in ran.err
    assert "godwit cancel m-000000" in ran.err
    assert copying.controller.values[MigrationId("m-000000")].phase is Phase.COPYING
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_DFL
    copying.loop.call_soon_threadsafe(copying.controller.release)


def test_an_interrupt_aborts_only_when_that_was_asked_for(
    godwit: CommandLine, copying: World
) -> None:
    with _meanwhile(_followed(copying), lambda: os.kill(os.getpid(), signal.SIGINT)):
        ran = godwit("migrate", "web1", "--yes", "--abort-on-interrupt")
    assert ran.status == 1
    assert "waiting for the outcome" in ran.err
    assert "cancelled. It runs on kvm1, unharmed." in ran.out


def test_an_interrupted_drain_says_what_its_end_means(godwit: CommandLine, copying: World) -> None:
    for owned, said in ((False, "r-000000 goes on"), (True, "starts no further moves")):
        godwit.owned = owned
        with _meanwhile(_followed(copying), lambda: os.kill(os.getpid(), signal.SIGINT)):
            ran = godwit("drain", "kvm1", "--yes")
        assert ran.status == 130
        assert said in ran.err
        assert godwit("cancel", "r-000000").status in {0, 3}
        copying.controller.released.clear()
        copying.controller.acceptances.clear()
        copying.controller.run_views.clear()


def test_an_abort_on_interrupt_stops_a_drain(godwit: CommandLine, copying: World) -> None:
    with _meanwhile(_followed(copying), lambda: os.kill(os.getpid(), signal.SIGINT)):
        ran = godwit("drain", "kvm1", "--yes", "--abort-on-interrupt")
    assert ran.status == 1
    assert "kvm1 is NOT empty (cancelled" in ran.out


def test_an_ignored_hangup_stays_ignored(godwit: CommandLine, copying: World) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:

        def hang_up_and_release() -> None:
            os.kill(os.getpid(), signal.SIGHUP)
            copying.loop.call_soon_threadsafe(copying.controller.release)

        with _meanwhile(_followed(copying), hang_up_and_release):
            assert godwit("migrate", "web1", "--yes").status == 0
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_controller_that_goes_away_is_followed_at_another(
    godwit: CommandLine, copying: World
) -> None:
    def go_on_at_the_second(attached: int) -> None:
        if attached == 2:
            copying.loop.call_later(0.2, copying.controller.release)

    godwit.on_attach = go_on_at_the_second
    with _meanwhile(_followed(copying), copying.stop_serving):
        ran = godwit("migrate", "web1", "--yes")
    assert ran.status == 0
    assert godwit.attached == 2
    assert "Attaching to a new one" in ran.err
    assert "web1 runs on kvm2, and only there." in ran.out


def test_a_stream_that_ends_in_order_is_read_anew(godwit: CommandLine, copying: World) -> None:
    def end_the_stream() -> None:
        async def end() -> None:
            copying.controller.notices.close()
            copying.controller.notices._closed = False
            copying.loop.call_later(0.1, copying.controller.release)

        copying.run(end())

    with _meanwhile(_followed(copying), end_the_stream):
        ran = godwit("migrate", "web1", "--yes")
    assert ran.status == 0
    assert godwit.attached == 1


def test_accepting_again_after_a_lost_answer_tells_the_same_end(
    godwit: CommandLine, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from godwit.client import Client
    from godwit.core.errors import OutcomeUnknown

    accept, calls = Client.accept, []

    def lose_the_first_answer(client: Client, plan_id: str) -> object:
        acceptance = accept(client, plan_id)
        calls.append(plan_id)
        if len(calls) == 1:
            raise OutcomeUnknown("the answer was lost")
        return acceptance

    monkeypatch.setattr(Client, "accept", lose_the_first_answer)
    ran = godwit("migrate", "web1", "--yes")
    assert ran.status == 0
    assert len(calls) == 2
    assert len(world.controller.lives) == 1
    assert "web1 runs on kvm2" in ran.out


def test_detached_from_its_own_controller_it_waits_until_the_hosts_have_started(
    godwit: CommandLine, copying: World
) -> None:
    godwit.owned = True
    ran = godwit("migrate", "web1", "--yes", "--detach")
    assert ran.status == 0
    assert copying.controller.values[MigrationId("m-000000")].phase is Phase.COPYING
    assert "Nobody steers or verifies it" in ran.err


def test_a_drain_is_not_detached_from_its_own_controller(godwit: CommandLine, world: World) -> None:
    godwit.owned = True
    ran = godwit("drain", "kvm1", "--yes", "--detach")
    assert ran.status == 2
    assert "godwit serve" in ran.err
    assert world.controller.plans == {}


def test_no_step_between_acceptance_and_following_is_missed(godwit: CommandLine) -> None:
    notices = [one["notice"] for one in godwit("migrate", "web1", "-y", "-o", "json").lines[2:-1]
               if one["event"] == "notice"]  # fmt: skip
    numbers = [one["number"] for one in notices]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert notices[0]["migration"]["phase"] == "accepted"
    assert notices[-1]["migration"]["phase"] == "done"


def test_an_interrupt_before_the_first_notice_aborts_the_whole_drain(
    godwit: CommandLine, copying: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from godwit.cli import following

    watch, calls = following._watch, []

    def interrupt_once(*args: object) -> None:
        calls.append(args)
        if len(calls) == 1:
            raise KeyboardInterrupt
        watch(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(following, "_watch", interrupt_once)
    ran = godwit("drain", "kvm1", "--yes", "--abort-on-interrupt")
    assert ran.status == 1
    assert "kvm1 is NOT empty (cancelled" in ran.out
    assert len(copying.controller.lives) <= 1
