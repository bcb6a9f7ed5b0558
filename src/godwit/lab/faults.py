"""What can be broken in the lab, one function each, and how to put it right again.

Every fault looks to its victims as it would outside: a cut link loses frames with the carrier up, a
host without power says nothing to anybody, a dead libvirtd is not restarted by anyone. The only
things ever signalled are processes of the lab's own hosts, by id.
"""

import signal

from godwit.lab.host import LabHost
from godwit.lab.lab import Lab
from godwit.lab.layout import Network
from godwit.lab.links import link_rate
from godwit.lab.problems import LabMisused
from godwit.lab.processes import process_of, wait_gone

__all__ = [
    "continue_libvirtd",
    "continue_qemu",
    "cut_link",
    "kill_libvirtd",
    "kill_qemu",
    "power_off",
    "power_on",
    "repair",
    "restore_link",
    "slow_link",
    "start_libvirtd",
    "stop_libvirtd",
    "stop_qemu",
]

GONE_S = 10.0


def kill_libvirtd(lab: Lab, host: str) -> None:
    """Kill a host's libvirtd; its guests run on. Returns once it is gone."""
    _kill(lab.host(host), lab.host(host).libvirtd_pid(), "libvirtd")


def stop_libvirtd(lab: Lab, host: str) -> None:
    """Freeze a host's libvirtd: connections stay open and nothing is answered."""
    where = lab.host(host)
    where.signal_process(where.libvirtd_pid(), signal.SIGSTOP, "libvirtd")


def continue_libvirtd(lab: Lab, host: str) -> None:
    """Undo ``stop_libvirtd``."""
    where = lab.host(host)
    where.signal_process(where.libvirtd_pid(), signal.SIGCONT, "libvirtd")


def start_libvirtd(lab: Lab, host: str) -> None:
    """Undo ``kill_libvirtd``; returns once it answers."""
    lab.host(host).start_libvirtd()


def kill_qemu(lab: Lab, guest: str, host: str | None = None) -> None:
    """Kill a guest's QEMU; name the host while there are two of them, during a migration."""
    where = _qemu_host(lab, guest, host)
    _kill(where, where.qemu_pid(guest), f"QEMU of {guest}")


def stop_qemu(lab: Lab, guest: str, host: str | None = None) -> None:
    """Freeze a guest's QEMU: the guest stands still and its monitor does not answer."""
    where = _qemu_host(lab, guest, host)
    where.signal_process(where.qemu_pid(guest), signal.SIGSTOP, f"QEMU of {guest}")


def continue_qemu(lab: Lab, guest: str, host: str | None = None) -> None:
    """Undo ``stop_qemu``."""
    where = _qemu_host(lab, guest, host)
    where.signal_process(where.qemu_pid(guest), signal.SIGCONT, f"QEMU of {guest}")


def power_off(lab: Lab, host: str) -> None:
    """Cut a host's power: its guests are gone, and it says goodbye to nobody."""
    lab.host(host).power_off()


def power_on(lab: Lab, host: str) -> LabHost:
    """Boot a host that was switched off; guests do not start by themselves."""
    return lab.host(host).power_on()


def cut_link(lab: Lab, host: str, network: Network) -> None:
    """Lose every frame between a host and a network, in both directions, with the carrier up."""
    lab.link(host, network).cut()


def restore_link(lab: Lab, host: str, network: Network) -> None:
    """Undo ``cut_link`` and ``slow_link``: the link is as it was when the lab came up."""
    link = lab.link(host, network)
    link.restore()
    link.limit(link_rate(lab.state().link) if network is Network.MIGRATION else None)


def slow_link(lab: Lab, host: str, network: Network, rate_bytes_per_s: float) -> None:
    """Limit a host's link to a rate, in both directions."""
    lab.link(host, network).limit(rate_bytes_per_s)


def repair(lab: Lab) -> tuple[str, ...]:
    """Put everything right that this module can break, and say what was wrong.

    Frozen processes go on, links are restored, hosts get power, daemons are started. Guests that
    are gone stay gone.
    """
    done = []
    for host in lab.status().hosts:
        for network in Network:
            link = host.links[network.value]
            wanted = link_rate(lab.state().link) if network is Network.MIGRATION else None
            if link.is_cut or not _is_about(link.rate_bytes_per_s, wanted):
                restore_link(lab, host.name, network)
                done.append(f"{host.name}: {network} link restored")
        if not host.has_power:
            power_on(lab, host.name)
            done.append(f"{host.name}: powered on")
            continue
        done += [
            f"{host.name}: {process.program()} goes on"
            for process in lab.host(host.name).processes()
            if process.is_stopped() and process.send(signal.SIGCONT)
        ]
        if host.libvirtd == "dead":
            start_libvirtd(lab, host.name)
            done.append(f"{host.name}: libvirtd started")
    return tuple(done)


def _is_about(rate_bytes_per_s: float | None, wanted_bytes_per_s: float | None) -> bool:
    # The kernel rounds rates.
    if rate_bytes_per_s is None or wanted_bytes_per_s is None:
        return rate_bytes_per_s is wanted_bytes_per_s
    return abs(rate_bytes_per_s - wanted_bytes_per_s) < 0.01 * wanted_bytes_per_s


def _kill(host: LabHost, pid: int | None, what: str) -> None:
    process = process_of(pid) if pid is not None else None
    host.signal_process(pid, signal.SIGKILL, what)
    if process is not None:
        wait_gone([process], timeout_s=GONE_S)


def _qemu_host(lab: Lab, guest: str, host: str | None) -> LabHost:
    lab.guest(guest)
    if host is not None:
        return lab.host(host)
    having = [each for each in lab.hosts() if each.qemu_pid(guest) is not None]
    if len(having) != 1:
        names = " and ".join(each.name for each in having) or "no host"
        raise LabMisused(f"{guest} has a QEMU on {names}.", remedy="Name the host.")
    return having[0]
