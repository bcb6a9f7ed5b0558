"""Goal: work that takes long does not hold up what the event loop has to do meanwhile."""

import asyncio
import threading

import pytest

from godwit.daemon.clock import SystemClock


async def test_the_event_loop_turns_while_work_is_done() -> None:
    turned = threading.Event()

    async def turn() -> None:
        turned.set()

    # The work ends only because the loop turns: done on the loop it would wait in vain.
    other = asyncio.create_task(turn())
    assert await SystemClock().spend(lambda: turned.wait(20.0))
    await other


async def test_what_the_work_raises_is_raised() -> None:
    def work() -> None:
        raise KeyError("no")

    with pytest.raises(KeyError):
        await SystemClock().spend(work)
