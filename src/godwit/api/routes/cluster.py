"""A fresh reading of everything: /cluster and /vms."""

from fastapi import APIRouter

from godwit import wire
from godwit.api.door import TheController
from godwit.core.errors import UnknownVm
from godwit.core.model import Cluster, Vm
from godwit.core.plan import Choice
from godwit.core.planner import choose_destination
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
