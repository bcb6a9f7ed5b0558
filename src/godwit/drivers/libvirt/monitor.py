"""Questions to QEMU's own monitor, for the few things that libvirt has no call for. Blocking.

libvirt lets them pass also while a migration runs. It marks the domain as tainted in its log, once,
which has no effect on the guest.
"""

import json
from collections.abc import Mapping
from typing import Any

import libvirt

from godwit.core.errors import StepRefused

__all__ = ["ask_monitor"]


def ask_monitor(
    domain: "libvirt.virDomain", command: str, arguments: Mapping[str, int] | None = None
) -> dict[str, Any]:
    """Give QEMU one command and return its answer.

    Raises: StepRefused when QEMU refuses it, libvirtError when it can't be asked.
    """
    import libvirt_qemu  # noqa: PLC0415 - only hosts that need it pay for it

    order: dict[str, Any] = {"execute": command}
    if arguments is not None:
        order["arguments"] = dict(arguments)
    answer = json.loads(libvirt_qemu.qemuMonitorCommand(domain, json.dumps(order), 0))
    if "error" in answer:
        why = str(answer["error"].get("desc", answer["error"]))
        raise StepRefused(f"QEMU refused {command}", evidence=f"QEMU: {why}")
    found = answer.get("return")
    return found if isinstance(found, dict) else {}
