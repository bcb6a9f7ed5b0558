"""Goal: the event stream loses nothing, says when it is alive, and ends with its reader.

Method: real server and socket for the whole; the generator alone for time.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator

import httpx
import pytest
from api_fakes import World
from api_scene import T0

from godwit.api import stream
from godwit.engine import Notice, NoticeKind


def _events(response: httpx.Response, count: int) -> list[dict[str, str]]:
    found: list[dict[str, str]] = []
    event: dict[str, str] = {}
    for line in response.iter_lines():
        if not line:
            if "data" in event:
                found.append(event)
            event = {}
            if len(found) == count:
                break
            continue
        field, _, value = line.partition(": ")
        event[field] = value
    return found


async def _publish(world: World, count: int) -> None:
    for number in range(count):
        world.controller.notices.publish(
            NoticeKind.HOST, at_s=T0, host="kvm1", text=f"notice {number}"
        )


def test_every_notice_after_a_number_comes_in_order(http: httpx.Client, world: World) -> None:
    after = http.get("/status").json()["last_notice"]
    world.run(_publish(world, 3))
    with http.stream("GET", "/watch", params={"after": after}) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        events = _events(response, 3)
    assert [int(one["id"]) for one in events] == [after + 1, after + 2, after + 3]
    assert {one["event"] for one in events} == {"host"}
    assert json.loads(events[0]["data"])["text"] == "notice 0"


def test_from_now_on_begins_when_the_answer_does(http: httpx.Client, world: World) -> None:
    with http.stream("GET", "/watch") as response:
        world.run(_publish(world, 1))
        assert json.loads(_events(response, 1)[0]["data"])["text"] == "notice 0"


def test_a_browser_that_reconnects_goes_on_where_it_was(http: httpx.Client, world: World) -> None:
    after = world.controller.last_notice
    world.run(_publish(world, 3))
    headers = {"Last-Event-ID": str(after + 2)}
    with http.stream("GET", f"/watch?after={after}", headers=headers) as response:
        assert int(_events(response, 1)[0]["id"]) == after + 3


def test_lost_notices_are_told_as_a_reset(http: httpx.Client, world: World) -> None:
    world.run(_publish(world, 5000))
    with http.stream("GET", "/watch?after=100") as response:
        assert _events(response, 1)[0]["event"] == "reset"


def test_a_reader_that_leaves_is_forgotten(http: httpx.Client, world: World) -> None:
    with http.stream("GET", "/watch") as response:
        # Kept, because its end would be the end of the answer.
        pieces = response.iter_bytes()
        next(pieces)
        assert _comes_to_have(world, watchers=1)
    assert _comes_to_have(world, watchers=0)


def _comes_to_have(world: World, *, watchers: int) -> bool:
    deadline = time.monotonic() + 5
    while world.controller.watchers != watchers and time.monotonic() < deadline:
        world.run(asyncio.sleep(0.01))
    return world.controller.watchers == watchers


def test_the_stream_ends_when_the_controller_does(http: httpx.Client, world: World) -> None:
    with http.stream("GET", "/watch") as response:
        pieces = response.iter_bytes()
        next(pieces)
        world.run(world.controller.finish())
        assert list(pieces) == []


async def test_silence_is_broken_by_a_comment_and_no_notice_is_lost_by_it() -> None:
    gate = asyncio.Event()

    async def notices() -> AsyncIterator[Notice]:
        await gate.wait()
        yield Notice(number=5, at_s=T0, kind=NoticeKind.HOST, host="kvm1")

    events = stream.server_sent_events(notices(), heartbeat_s=0.001)
    assert await anext(events) == b": connected\n\n"
    assert await anext(events) == b": heartbeat\n\n"
    assert await anext(events) == b": heartbeat\n\n"
    gate.set()
    got = [piece async for piece in events if piece.startswith(b"id")]
    assert len(got) == 1
    assert got[0].startswith(b"id: 5\nevent: host\ndata: {")


async def test_closing_the_stream_closes_the_notices() -> None:
    closed = asyncio.Event()

    async def notices() -> AsyncIterator[Notice]:
        try:
            await asyncio.Event().wait()
            yield pytest.fail("nothing was published")
        finally:
            closed.set()

    events = stream.server_sent_events(notices(), heartbeat_s=0.001)
    await anext(events)
    await anext(events)
    await events.aclose()  # type: ignore[attr-defined]
    assert closed.is_set()
