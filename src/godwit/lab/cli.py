"""The commands of ``godwit lab``: words in, the lab's functions called, words or JSON out.

Nothing is decided here, and no error is caught: the root command says it and gives the exit status.
Progress goes to standard error, results to standard output.
"""

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from godwit.core.units import format_bytes, format_duration, format_rate, parse_bytes, parse_rate
from godwit.lab import faults
from godwit.lab.lab import Lab
from godwit.lab.layout import Network
from godwit.lab.links import link_rate
from godwit.lab.problems import LabMisused, LabUnfit
from godwit.lab.progress import Say
from godwit.lab.userland import Userland

__all__ = ["app"]

app = typer.Typer(
    no_args_is_help=True,
    help="Real hosts on this machine: libvirt and QEMU in namespaces, guests that check their own "
    "memory and disk, a client that measures, faults on request. Needs root. Start with "
    "[bold]godwit lab up[/], end with [bold]godwit lab down[/]: it leaves nothing behind.",
    rich_markup_mode="rich",
)
guest_app = typer.Typer(no_args_is_help=True, help="Add, list, change and remove guests.")
break_app = typer.Typer(
    no_args_is_help=True,
    help="Break something, or put it right with --heal. [bold]godwit lab repair[/] heals all.",
    rich_markup_mode="rich",
)
app.add_typer(guest_app, name="guest")
app.add_typer(break_app, name="break")


class Output(StrEnum):
    """How results are written."""

    TEXT = "text"
    JSON = "json"


class How(StrEnum):
    """What is done to a process."""

    KILL = "kill"
    STOP = "stop"


OutputOption = Annotated[Output, typer.Option("--output", "-o", help="Text or JSON.")]
HealOption = Annotated[bool, typer.Option("--heal", help="Put it right again.")]
HowOption = Annotated[How, typer.Option(help="kill it, or stop it: it hangs, and can go on.")]
HostArgument = Annotated[str, typer.Argument(metavar="HOST", help="h1, h2, ...")]
GuestArgument = Annotated[str, typer.Argument(metavar="GUEST", help="The guest's name.")]


@contextmanager
def _progress() -> Iterator[Say]:
    """Yield a way to tell a person what goes on: one line that changes, or lines in a log."""
    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:
        yield lambda line: console.print(line, markup=False, soft_wrap=True)
        return
    with console.status("") as status:
        yield status.update


def _tell(what: str, how: How, heal: bool) -> None:
    broken = "is dead" if how is How.KILL else "hangs"
    typer.echo(f"{what} {'runs again' if heal else broken}.")


def _print_json(content: object) -> None:
    typer.echo(json.dumps(content, indent=2))


@app.command("up")
def up(
    hosts: Annotated[int, typer.Option(help="How many hosts.")] = 3,
    link: Annotated[
        str, typer.Option(help="Rate of each host's migration link: 1gbit, 100MiB/s, unlimited.")
    ] = "1gbit",
    userland: Annotated[
        Userland, typer.Option(help="What the hosts run; debian-12 has libvirt 9.0.")
    ] = Userland.DEBIAN_13,
) -> None:
    """Bring the lab up; what a crashed one left is cleared first.

    The first time it builds the hosts' userland, about 300 MB and a minute. After that: a second.
    """
    started_s = time.monotonic()
    with _progress() as say:
        lab = Lab.up(hosts=hosts, link=link, userland=userland, say=say)
    names = ", ".join(host.name for host in lab.hosts())
    typer.echo(f"Up after {format_duration(time.monotonic() - started_s)}: {names}.")
    typer.echo("Next: godwit lab guest add web1; godwit lab hosts > hosts.toml")


@app.command("down")
def down() -> None:
    """Take the lab away, in whatever state it is. Safe to repeat; the cache stays."""
    with _progress() as say:
        found = Lab.down(say=say)
    typer.echo("The lab is gone." if found else "There was no lab.")


@app.command("clean")
def clean() -> None:
    """Take the lab away, and what it keeps in the cache."""
    with _progress() as say:
        Lab.clean(say=say)
    typer.echo("The lab and its cache are gone.")


@app.command("status")
def status(output: OutputOption = Output.TEXT) -> None:
    """Show hosts, links and guests as they are now."""
    lab = Lab.load()
    seen = lab.status()
    if output is Output.JSON:
        _print_json(asdict(seen))
        return
    table = Table("host", "power", "libvirtd", *(f"{net} link" for net in Network), "guests")
    for host in seen.hosts:
        links = [
            "cut"
            if (link := host.links[network.value]).is_cut
            else "unlimited"
            if link.rate_bytes_per_s is None
            else format_rate(link.rate_bytes_per_s)
            for network in Network
        ]
        power = "on" if host.has_power else "off"
        table.add_row(host.name, power, host.libvirtd, *links, " ".join(host.guests))
    Console().print(table)
    typer.echo(f"Guests run under {seen.accelerator.upper()}.")


@app.command("hosts")
def hosts() -> None:
    """Print the hosts as TOML, for godwit host add --file."""
    typer.echo(Lab.load().hosts_toml(), nl=False)


@app.command("settings")
def settings() -> None:
    """Print what godwit.toml may say of the lab: how its forwarding tables are read."""
    typer.echo(Lab.load().settings_toml(), nl=False)


@app.command("shell")
def shell(
    host: HostArgument,
    command: Annotated[
        list[str] | None, typer.Argument(metavar="[-- COMMAND...]", help="Default: a shell.")
    ] = None,
) -> None:
    """Open a shell on a host, or run one command there: godwit lab shell h1 -- virsh list."""
    argv = Lab.load().host(host).enter(command or ["env", f"PS1={host}# ", "bash", "--norc"])
    os.execvp(argv[0], argv)  # noqa: S606 - the shell takes this process's place, with its terminal


@app.command("measure")
def measure(
    guests: Annotated[list[str] | None, typer.Argument(help="Default: all.")] = None,
    seconds: Annotated[float, typer.Option(help="How long.")] = 10.0,
    picture: Annotated[Path | None, typer.Option(help="Draw the outages as SVG.")] = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Measure what a client of the guests sees: an echo every 2 ms, TCP, HTTP, integrity."""
    if picture is not None and find_spec("matplotlib") is None:
        raise LabUnfit(
            "A picture needs matplotlib, which is not installed.",
            remedy="pip install 'godwit[lab]', or leave out --picture.",
        )
    with Lab.load().meter(guests or (), seconds_max=seconds) as meter, _progress() as say:
        while meter.is_measuring():
            meter.wait(1.0)
            worst = {name: seen["outage_s_max"] for name, seen in meter.progress().items()}
            say(
                "worst outage so far: "
                + ", ".join(f"{name} {format_duration(value)}" for name, value in worst.items())
            )
    reports = list(meter.reports.values())
    if picture is not None:
        from godwit.lab.picture import draw_outages

        draw_outages(reports, picture)
    if output is Output.JSON:
        _print_json([report.to_json() for report in reports])
        return
    table = Table(
        *("guest", "worst outage", "outages", "echoes lost", "TCP broken", "HTTP lost", "intact")
    )
    for report in reports:
        table.add_row(
            report.guest,
            format_duration(report.outage_s_max),
            str(len(report.outages)),
            f"{report.udp_lost} of {report.udp_sent}",
            str(report.tcp_broken),
            f"{report.http_lost} of {report.http_requests}",
            "yes" if report.is_intact else "NO",
        )
    Console().print(table)


@app.command("repair")
def repair() -> None:
    """Put right everything that godwit lab break can break; guests that are gone stay gone."""
    for line in faults.repair(Lab.load()) or ("Nothing was broken.",):
        typer.echo(line)


@guest_app.command("add")
def guest_add(
    name: GuestArgument,
    host: Annotated[str, typer.Option(help="Where it starts.")] = "h1",
    memory: Annotated[str, typer.Option(help="Its memory.")] = "256MiB",
    vcpus: Annotated[int, typer.Option(help="Its processors.")] = 1,
    dirty_rate: Annotated[str, typer.Option(help="How fast it rewrites memory.")] = "0",
    working_set: Annotated[str, typer.Option(help="How much of it, again and again.")] = "64MiB",
    disk: Annotated[str, typer.Option(help="Storage pool: shared, local; or none.")] = "shared",
) -> None:
    """Start a guest that answers UDP port 7 and HTTP port 80, and checks its memory and disk."""
    guest = Lab.load().add_guest(
        name,
        host=host,
        memory=memory,
        vcpus=vcpus,
        dirty_rate=dirty_rate,
        working_set=working_set,
        disk=disk,
    )
    typer.echo(f"{guest.name} answers at http://{guest.address}/")


@guest_app.command("list")
def guest_list(output: OutputOption = Output.TEXT) -> None:
    """List the guests and where each runs."""
    lab = Lab.load()
    rows = [
        {**asdict(guest.record), "copies": dict(lab.copies(guest.name))} for guest in lab.guests()
    ]
    if output is Output.JSON:
        _print_json(rows)
        return
    table = Table("guest", "where", "address", "memory", "disk")
    for row in rows:
        where = ", ".join(f"{host} {state}" for host, state in row["copies"].items())
        memory = format_bytes(row["memory_bytes"])
        table.add_row(row["name"], where or "nowhere", row["address"], memory, row["disk"])
    Console().print(table)


@guest_app.command("set")
def guest_set(
    name: GuestArgument,
    dirty_rate: Annotated[str | None, typer.Option(help="How fast it rewrites memory.")] = None,
    working_set: Annotated[str | None, typer.Option(help="How much of it.")] = None,
) -> None:
    """Change what a running guest does to its memory."""
    Lab.load().guest(name).set_workload(
        dirty_bytes_per_s=None if dirty_rate is None else parse_rate(dirty_rate),
        working_set_bytes=None if working_set is None else parse_bytes(working_set),
    )


@guest_app.command("remove")
def guest_remove(name: GuestArgument) -> None:
    """Stop a guest and remove its definition and its disk."""
    Lab.load().remove_guest(name)


@break_app.command("libvirtd")
def break_libvirtd(host: HostArgument, how: HowOption = How.KILL, heal: HealOption = False) -> None:
    """Kill or freeze a host's libvirtd; its guests run on."""
    lab = Lab.load()
    if not heal:
        (faults.kill_libvirtd if how is How.KILL else faults.stop_libvirtd)(lab, host)
    elif lab.host(host).libvirtd_pid() is None:
        faults.start_libvirtd(lab, host)
    else:
        faults.continue_libvirtd(lab, host)
    _tell(f"libvirtd on {host}", how, heal)


@break_app.command("qemu")
def break_qemu(
    guest: GuestArgument,
    host: Annotated[str | None, typer.Option(help="Which, during a migration.")] = None,
    how: HowOption = How.KILL,
    heal: HealOption = False,
) -> None:
    """Kill or freeze a guest's QEMU; a killed one can't be healed."""
    lab = Lab.load()
    if heal:
        faults.continue_qemu(lab, guest, host)
    else:
        (faults.kill_qemu if how is How.KILL else faults.stop_qemu)(lab, guest, host)
    _tell(f"QEMU of {guest}", how, heal)


@break_app.command("host")
def break_host(host: HostArgument, heal: HealOption = False) -> None:
    """Cut a host's power, or switch it on again."""
    (faults.power_on if heal else faults.power_off)(Lab.load(), host)
    typer.echo(f"{host} is {'up again' if heal else 'without power'}.")


@break_app.command("link")
def break_link(
    host: HostArgument,
    network: Annotated[Network, typer.Argument(help="Which of its links.")],
    rate: Annotated[
        str | None, typer.Option(help="Slow it down to this instead of cutting it.")
    ] = None,
    heal: HealOption = False,
) -> None:
    """Cut a host's link: every frame is lost, and nobody is told. Or slow it down with --rate."""
    lab = Lab.load()
    if heal:
        faults.restore_link(lab, host, network)
    elif rate is None:
        faults.cut_link(lab, host, network)
    else:
        rate_bytes_per_s = link_rate(rate)
        if rate_bytes_per_s is None:
            raise LabMisused("An unlimited link is not broken.", remedy="Use --heal.")
        faults.slow_link(lab, host, network, rate_bytes_per_s)
    now = "as it was" if heal else "cut" if rate is None else f"limited to {rate}"
    typer.echo(f"The {network} link of {host} is {now}.")
