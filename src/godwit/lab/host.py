"""One host of the lab: power, its libvirtd, commands inside it, what runs on it.

A host is a network namespace plus a process tree in mount, name, process and IPC namespaces of its
own, over an overlay of the common userland. Cutting the power kills its first process, and the
kernel everything else with it, at once. libvirtd is not watched over by anything: killed, it stays
dead until ``start_libvirtd``, and the guests of the host run on meanwhile.
"""

import shlex
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from godwit.lab.accelerator import KVM
from godwit.lab.commands import in_network_namespace, run, try_run
from godwit.lab.host_files import host_files, host_links
from godwit.lab.layout import HostAddress
from godwit.lab.places import Places
from godwit.lab.problems import LabFailed, LabMisused
from godwit.lab.processes import Process, end_all, living, process_of
from godwit.lab.state import HostRecord, LabState, exclusive

__all__ = ["LabHost", "create_host_files", "start_host"]

BOOT_SCRIPT = Path(__file__).parent / "host_boot.sh"
ENVIRONMENT = ("PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LC_ALL=C.UTF-8", "TERM=xterm")
LIBVIRTD = "/usr/sbin/libvirtd"
LIBVIRTD_START_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LabHost:
    """A host as it was when the lab's state was read; ask the lab again after a power cycle."""

    address: HostAddress
    record: HostRecord
    places: Places

    @property
    def name(self) -> str:
        """Its name, which is its host name as well."""
        return self.address.name

    @property
    def uri(self) -> str:
        """How this machine reaches its libvirtd."""
        return self.address.uri

    @property
    def init(self) -> Process:
        """Its first process, alive or not."""
        return Process(pid=self.record.init_pid, started_ticks=self.record.init_started_ticks)

    def is_on(self) -> bool:
        """Say whether the host has power."""
        return self.record.init_pid > 0 and self.init.is_alive()

    def run(self, argv: Sequence[str], *, timeout_s: float = 60.0, stdin: str | None = None) -> str:
        """Run a program inside the host and return its output.

        Raises: LabMisused when the host has no power; LabFailed when the program fails.
        """
        return run(self.enter(argv), timeout_s=timeout_s, stdin=stdin)

    def try_run(
        self, argv: Sequence[str], *, timeout_s: float = 60.0
    ) -> subprocess.CompletedProcess[str]:
        """Run a program inside the host and return whatever came of it."""
        return try_run(self.enter(argv), timeout_s=timeout_s)

    def enter(self, argv: Sequence[str]) -> list[str]:
        """Return the command that runs a program inside the host.

        Raises: LabMisused when the host has no power.
        """
        if not self.is_on():
            raise LabMisused(
                f"The host {self.name} has no power.",
                remedy=f"godwit lab break host {self.name} --heal",
            )
        spaces = ["--mount", "--uts", "--ipc", "--net", "--pid"]
        return [
            *("nsenter", f"--target={self.record.init_pid}", *spaces, "--"),
            *("env", "-i", *ENVIRONMENT, *argv),
        ]

    def power_off(self) -> None:
        """Cut the power: everything on the host is gone at once, nothing is told about it."""
        stubborn = end_all([*self.processes(), self.init])
        if stubborn:
            raise LabFailed(
                f"The host {self.name} does not go down.",
                evidence=", ".join(f"{each.program()} ({each.pid})" for each in stubborn),
            )

    def power_on(self) -> "LabHost":
        """Boot the host and start its libvirtd, and return it as it is from now on.

        Its disks are as they were, its /run is new. A host that has power stays as it is.

        Raises: LabFailed when it does not come up.
        """
        with exclusive(self.places):
            state = LabState.load(self.places)
            if state is None:
                raise LabMisused("No lab is up.", remedy="godwit lab up")
            records = [record for record in state.hosts if record.name == self.name]
            host = replace(self, record=records[0])
            if host.is_on():
                return host
            record = start_host(
                self.places,
                self.address,
                userland=Path(state.userland),
                accelerator=state.accelerator,
            )
            state.with_host(record).save(self.places)
        host = replace(self, record=record)
        host.start_libvirtd()
        return host

    def processes(self) -> tuple[Process, ...]:
        """Return the processes of the host, its first one among them."""
        space = self.init.namespace("pid") if self.is_on() else 0
        if space == 0:
            return ()
        return tuple(living(lambda process: process.namespace("pid") == space))

    def libvirtd_pid(self) -> int | None:
        """Return the id of its libvirtd as this machine sees it; None when it does not run."""
        for process in self.processes():
            if process.program() == "libvirtd":
                return process.pid
        return None

    def qemu_pid(self, guest: str) -> int | None:
        """Return the id of a guest's QEMU on this host; None when it has none here.

        During a migration there is one on the source and one on the destination.
        """
        return self._qemus().get(guest)

    def guests_running(self) -> tuple[str, ...]:
        """Return the guests that have a QEMU process on this host, by name."""
        return tuple(sorted(self._qemus()))

    def _qemus(self) -> dict[str, int]:
        qemus = {}
        for process in self.processes():
            if not process.program().startswith("qemu-system"):
                continue
            for text in process.arguments():
                # libvirt starts QEMU with "-name guest=NAME,...".
                if text.startswith("guest="):
                    qemus[text.split(",")[0].removeprefix("guest=")] = process.pid
        return qemus

    def start_libvirtd(self) -> None:
        """Start libvirtd if it does not run, and wait until it answers.

        Raises: LabFailed with the end of its log.
        """
        if self.libvirtd_pid() is None:
            # "--listen" because nothing hands it sockets here; it detaches by itself and becomes
            # a child of the host's first process.
            self.run([LIBVIRTD, "--daemon", "--listen"], timeout_s=LIBVIRTD_START_S)
        deadline_s = time.monotonic() + LIBVIRTD_START_S
        answer = self.try_run(["virsh", "-q", "uri"], timeout_s=LIBVIRTD_START_S)
        while answer.returncode != 0:
            if time.monotonic() > deadline_s:
                log = self.try_run(["tail", "-n", "8", "/var/log/libvirt/libvirtd.log"])
                raise LabFailed(
                    f"libvirtd on {self.name} does not answer: {answer.stderr.strip()}",
                    evidence=log.stdout.strip(),
                )
            time.sleep(0.1)
            answer = self.try_run(["virsh", "-q", "uri"], timeout_s=LIBVIRTD_START_S)

    def signal_process(self, pid: int | None, number: signal.Signals, what: str) -> None:
        """Send a signal to one of this host's processes.

        Raises: LabMisused when it does not run here.
        """
        process = process_of(pid) if pid is not None else None
        if process is None or not process.send(number):
            raise LabMisused(f"There is no {what} on {self.name}.")


def create_host_files(places: Places, address: HostAddress, hosts: Sequence[HostAddress]) -> None:
    """Make the folder of a host: configuration in the overlay's upper layer, local storage."""
    folder = places.host(address.name)
    for part in ("root", "upper", "work", "local"):
        (folder / part).mkdir(parents=True)
    for path, content in host_files(address, hosts).items():
        file = folder / "upper" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    for path, target in host_links().items():
        link = folder / "upper" / path
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(target)


def start_host(
    places: Places, address: HostAddress, *, userland: Path, accelerator: str
) -> HostRecord:
    """Boot a host whose files and network exist, without libvirtd; return how to know it.

    Raises: LabFailed with what its boot script said.
    """
    folder = places.host(address.name)
    boot = [
        *("unshare", "--mount", "--uts", "--pid", "--ipc", "--fork", "--"),
        *("sh", str(BOOT_SCRIPT), address.name, str(userland), str(folder), str(places.shared)),
        *_devices(accelerator),
    ]
    # A shell in between starts it in a session of its own and ends, so that the host is no child
    # of ours: it outlives this command, and whoever is process 1 here reaps it.
    log = folder / "boot.log"
    words = shlex.join(in_network_namespace(address.namespace, ["setsid", *boot]))
    output = run(
        ["sh", "-c", f"exec 2>{shlex.quote(str(log))}; {{ {words} & echo $!; }} | sed /ready/q"],
        timeout_s=30,
    ).split()
    if output[-1:] != ["ready"]:
        raise LabFailed(f"The host {address.name} does not boot.", evidence=log.read_text()[-2000:])
    init = _only_child(int(output[0]))
    if init is None:
        raise LabFailed(f"The host {address.name} ended at once.", evidence=log.read_text()[-2000:])
    return HostRecord(name=address.name, init_pid=init.pid, init_started_ticks=init.started_ticks)


def _devices(accelerator: str) -> Sequence[str]:
    devices = ["net/tun"]
    if accelerator == KVM:
        devices.append("kvm")
    # Post-copy migration takes page faults through it where the kernel has it.
    if Path("/dev/userfaultfd").exists():
        devices.append("userfaultfd")
    return devices


def _only_child(pid: int) -> Process | None:
    children = Path(f"/proc/{pid}/task/{pid}/children")
    try:
        numbers = children.read_text().split()
    except OSError:
        return None
    return process_of(int(numbers[0])) if len(numbers) == 1 else None
