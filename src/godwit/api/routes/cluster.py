"""A fresh reading of everything: /cluster and /vms."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query, Response

from godwit import wire
from godwit.api.door import TheController
from godwit.core.errors import UnknownVm
from godwit.core.model import Cluster, Vm
from godwit.core.plan import Choice
from godwit.core.planner import choose_destination
from godwit.formats import anonymise, write_json
from godwit.wire.near import did_you_mean

__all__ = ["router"]

router = APIRouter(tags=["cluster"])


@router.get("/cluster", operation_id="scan_cluster")
async def scan_cluster(controller: TheController) -> wire.Cluster:
    """Read all hosts now; say for each VM where it could go, and every refusal with its reason."""
    cluster = await controller.scan()

    def choose(vm: Vm) -> Choice:
        return choose_destination(cluster, vm)

    return wire.cluster_to_wire(cluster, choose)


@router.get(
    "/cluster/file",
    operation_id="save_cluster",
    response_class=Response,
    responses={
        200: {
            "description": "The file. Its shape belongs to its version, not to this API.",
            "content": {"application/json": {"schema": {"type": "object"}}},
        }
    },
)
async def save_cluster(
    controller: TheController,
    *,
    anonymised: Annotated[
        bool, Query(description="Whether names, addresses, labels and ids are replaced.")
    ] = False,
) -> Response:
    """Read all hosts now, and answer with the whole cluster as one file to plan on offline."""
    cluster = await controller.scan()

    def write() -> bytes:
        return write_json(anonymise(cluster) if anonymised else cluster, anonymised=anonymised)

    # A large one takes a while, and migrations must be steered meanwhile.
    return Response(await asyncio.to_thread(write), media_type="application/json")


@router.get("/vms/{name}", operation_id="get_vm")
async def get_vm(name: str, controller: TheController) -> list[wire.Vm]:
    """Read the VMs of that name or UUID. Several, when several hosts show one of that name."""
    cluster = await controller.scan()
    found = cluster.vms_matching(name)
    if not found:
        raise _unknown_vm(name, cluster)
    return [wire.vm_to_wire(one, cluster, choose_destination(cluster, one)) for one in found]


def _unknown_vm(name: str, cluster: Cluster) -> UnknownVm:
    answered = [host.name for host in cluster.hosts if host.is_known]
    silent = [host.name for host in cluster.hosts if not host.is_known]
    evidence = f"asked: {', '.join(answered) or 'no host'}"
    if silent:
        evidence += f"; no answer, so it may be there: {', '.join(silent)}"
    return UnknownVm(
        f"no VM {name!r} was seen",
        evidence=evidence,
        remedy=did_you_mean(name, (vm.name for vm in cluster.vms)) or "See `godwit scan`.",
    )
