"""The inventory: /hosts."""

from fastapi import APIRouter, status

from godwit import wire
from godwit.api.door import TheController, named_host

__all__ = ["router"]

router = APIRouter(tags=["hosts"])


@router.get("/hosts", operation_id="list_hosts")
async def list_hosts(controller: TheController) -> list[wire.HostRecord]:
    """List what is recorded of all hosts, by name. No host is asked."""
    return [wire.host_record_to_wire(one) for one in controller.host_records()]


@router.post("/hosts", operation_id="add_hosts", status_code=status.HTTP_201_CREATED)
async def add_hosts(hosts: list[wire.NewHost], controller: TheController) -> list[wire.Host]:
    """Reach, read and record hosts: all of them, or none."""
    records = [wire.new_host_from_wire(one) for one in hosts]
    wire.check_peers([*controller.host_records(), *records])
    added = {one.name for one in await controller.add_hosts(records)}
    cluster = await controller.scan()
    return [wire.host_to_wire(one, cluster) for one in cluster.hosts if one.name in added]


@router.get("/hosts/{name}", operation_id="get_host")
async def get_host(name: str, controller: TheController) -> wire.Host:
    """Read a host now: its record, what its libvirt says, and what it lacks."""
    host_name = named_host(controller, name)
    cluster = await controller.scan()
    return wire.host_to_wire(cluster.host(host_name), cluster)


@router.delete("/hosts/{name}", operation_id="remove_host", status_code=status.HTTP_204_NO_CONTENT)
async def remove_host(name: str, controller: TheController) -> None:
    """Forget a host; its VMs are left alone."""
    await controller.remove_host(named_host(controller, name))


@router.put("/hosts/{name}/maintenance", operation_id="set_maintenance")
async def set_maintenance(
    name: str, maintenance: wire.Maintenance, controller: TheController
) -> wire.HostRecord:
    """Put a host into maintenance, or take it out. Its VMs stay where they are."""
    record = await controller.set_maintenance(named_host(controller, name), on=maintenance.on)
    return wire.host_record_to_wire(record)
