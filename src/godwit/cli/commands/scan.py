"""``godwit scan``: read everything now, change nothing."""

from typing import TYPE_CHECKING, Annotated

import typer

from godwit.cli.options import Output, OutputOption, examples

if TYPE_CHECKING:
    from godwit import wire
    from godwit.cli.screen import Screen

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        "scan",
        epilog=examples(
            "godwit scan              everything",
            "godwit scan web1         one VM: every host as its destination, every reason",
            "godwit scan kvm1         one host and its VMs",
            "godwit scan -o json",
        ),
    )(_scan)


def _scan(
    ctx: typer.Context,
    name: Annotated[
        str | None,
        typer.Argument(metavar="[VM|HOST]", help="Only this VM, or this host with its VMs."),
    ] = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Read all hosts and VMs: what could move where, and what stands in the way.

    Changes nothing.
    """
    from godwit.cli.screen import Screen
    from godwit.cli.session import open_session

    screen = Screen(output)
    with open_session(ctx, screen) as session:
        cluster = session.client.cluster()
        if name is not None:
            cluster = _only(cluster, name)
        if screen.is_json:
            screen.document(cluster)
            return
        _show(screen, cluster, one_vm=name is not None and not cluster.hosts)


def _only(cluster: "wire.Cluster", name: str) -> "wire.Cluster":
    """Leave a host with its VMs, or a VM alone. Raises: UnknownVm."""
    from godwit.core.errors import UnknownVm
    from godwit.wire.near import did_you_mean

    hosts = tuple(one for one in cluster.hosts if one.name == name)
    if hosts:
        vms = tuple(one for one in cluster.vms if one.host == name)
        return cluster.model_copy(update={"hosts": hosts, "vms": vms})
    vms = tuple(one for one in cluster.vms if name in {one.name, one.id})
    if vms:
        return cluster.model_copy(update={"hosts": (), "vms": vms})
    silent = [one.name for one in cluster.hosts if one.unreachable]
    known = [one.name for one in cluster.hosts] + [one.name for one in cluster.vms]
    raise UnknownVm(
        f"neither a VM nor a host is named {name!r}",
        evidence=f"no answer, so it may be there: {', '.join(silent)}" if silent else "",
        remedy=did_you_mean(name, known) or "See `godwit scan`.",
    )


def _show(screen: "Screen", cluster: "wire.Cluster", *, one_vm: bool) -> None:
    from godwit.cli.views.hosts import show_hosts
    from godwit.cli.views.vms import show_obstacles, show_vm, show_vms

    if one_vm:
        for vm in cluster.vms:
            show_vm(screen, vm)
        return
    if not cluster.hosts:
        screen.line("No host yet. Add one: godwit host add qemu+ssh://root@kvm1/system")
        return
    show_hosts(screen, cluster.hosts)
    screen.line()
    if not cluster.vms:
        screen.line("No VM on any host that answered.")
        return
    show_vms(screen, cluster.vms)
    show_obstacles(screen, cluster.vms)
