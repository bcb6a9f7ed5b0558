"""What decisions rest on: policies, what was learnt, and how right forecasts were."""

from fastapi import APIRouter

from godwit import wire
from godwit.api.door import TheController, named_host
from godwit.api.views import policy_of
from godwit.core.planner import choose_destination
from godwit.core.precopy import accuracy

__all__ = ["router"]

router = APIRouter(tags=["insights"])

#: Migrations of a VM that are told with it.
_MOVES = 10


@router.get("/vms/{name}/policy", operation_id="get_policy")
async def get_policy(name: str, controller: TheController) -> wire.Policy:
    """Say what holds for a VM, field by field, and where each comes from."""
    insight = await controller.knowledge_of(name)
    return policy_of(controller, insight.vm)


@router.patch("/vms/{name}/policy", operation_id="change_policy")
async def change_policy(
    name: str, change: wire.PolicyChange, controller: TheController
) -> wire.PolicyChanged:
    """Write some fields into the VM's own metadata; the others stay as they are."""
    before = (await controller.knowledge_of(name)).vm
    after = await controller.put_policy(before.id, wire.policy_change_from_wire(change, before))
    return wire.PolicyChanged(
        before=policy_of(controller, before), after=policy_of(controller, after)
    )


@router.get("/vms/{name}/insight", operation_id="get_vm_insight")
async def get_vm_insight(name: str, controller: TheController) -> wire.VmInsight:
    """Read all hosts, and say all that decisions about a VM rest on."""
    insight = await controller.knowledge_of(name)
    vm, cluster, known = insight.vm, insight.cluster, insight.known
    now_s = cluster.taken_at_s
    return wire.VmInsight(
        taken_at_s=now_s,
        vm=wire.vm_to_wire(vm, cluster, insight.choice),
        policy=policy_of(controller, vm),
        known=None if known is None else wire.vm_knowledge_to_wire(known, vm, now_s),
        paths=wire.paths_to_wire(insight.paths),
        calibration=wire.calibration_to_wire(insight.calibration),
        migrations=tuple(wire.migration_to_wire(one) for one in insight.migrations[:_MOVES]),
    )


@router.get("/hosts/{name}/insight", operation_id="get_host_insight")
async def get_host_insight(name: str, controller: TheController) -> wire.HostInsight:
    """Read all hosts, and say all that decisions about one rest on."""
    host = named_host(controller, name)
    cluster = await controller.scan()
    paths = cluster.known.paths
    return wire.HostInsight(
        taken_at_s=cluster.taken_at_s,
        host=wire.host_to_wire(cluster.host(host), cluster),
        paths=wire.paths_to_wire({key: paths[key] for key in paths if key.source == host}),
        vms=tuple(
            wire.vm_to_wire(one, cluster, choose_destination(cluster, one))
            for one in cluster.vms_on(host)
        ),
    )


@router.get("/forecasts/accuracy", operation_id="get_accuracy")
async def get_accuracy(controller: TheController) -> wire.Accuracy:
    """Put all scored forecasts beside their facts."""
    scores = [score for _, score in controller.accuracy()]
    return wire.accuracy_to_wire(accuracy(scores), scores)
