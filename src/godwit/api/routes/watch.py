"""The event stream: /watch."""

from typing import Annotated, Any

from fastapi import APIRouter, Header, Query
from fastapi.responses import StreamingResponse

from godwit.api.door import TheController
from godwit.api.stream import server_sent_events
from godwit.wire import HEARTBEAT_S

__all__ = ["router"]

router = APIRouter(tags=["watch"])

_MEDIA_TYPE = "text/event-stream"
_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Server-sent events: `id` is the notice's number, `event` its kind, `data`"
        " a Notice as JSON. A comment comes every few seconds when nothing happens.",
        "content": {_MEDIA_TYPE: {"schema": {"type": "string"}}},
    }
}


@router.get("/watch", operation_id="watch", response_class=StreamingResponse, responses=_RESPONSES)
async def watch(
    controller: TheController,
    after: Annotated[
        int | None, Query(description="The last notice already seen; without it, from now on.")
    ] = None,
    last_event_id: Annotated[int | None, Header(description="Sent by a browser again.")] = None,
) -> StreamingResponse:
    """Tell every step of every migration and run, in order, from a number on."""
    # "From now on" is settled here and not when the stream is first read, or a notice in between
    # would be lost. A browser that reconnects repeats its first URL: then the header is newer.
    seen = max(
        (one for one in (after, last_event_id) if one is not None),
        default=controller.last_notice,
    )
    return StreamingResponse(
        server_sent_events(controller.watch(seen), heartbeat_s=HEARTBEAT_S),
        media_type=_MEDIA_TYPE,
        headers={"cache-control": "no-store", "x-accel-buffering": "no"},
    )
