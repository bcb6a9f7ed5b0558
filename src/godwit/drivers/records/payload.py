"""What commands and webhooks are told: the versioned payload of docs/records.md."""

import json
from typing import Any, Final

from godwit.ports import GuestPlace, PlaceChange

__all__ = ["PAYLOAD_VERSION", "Step", "payload"]

#: Grows when a field changes its meaning or goes; new fields may come without it.
PAYLOAD_VERSION: Final = 1

Step = str


def payload(step: Step, keeper: str, change: PlaceChange) -> bytes:
    """Write one step as JSON, the same to the byte each time it is repeated."""
    told: dict[str, Any] = {
        "version": PAYLOAD_VERSION,
        "step": step,
        "record": keeper,
        "migration": change.migration,
        "vm": {"id": change.old.vm, "name": change.old.vm_name, "macs": list(change.old.macs)},
        "old": _place(change.old),
        "new": _place(change.new),
    }
    return json.dumps(told, sort_keys=True, ensure_ascii=False).encode()


def _place(place: GuestPlace) -> dict[str, Any]:
    return {
        "host": place.host,
        "addresses": list(place.addresses),
        "host_labels": dict(place.labels),
    }
