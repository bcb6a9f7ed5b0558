"""The lab: hosts up and down, guests on them, and where everything is.

``Lab.up`` and ``Lab.load`` return a lab; what can be broken is in ``faults``, the measuring client
in ``meter``. Each operation that changes something holds the lab's lock for as long as it takes, so
a lab may be used by several processes. A ``Lab`` object caches nothing but paths: it reads the
state file each time.
"""

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from godwit.core.units import parse_bytes, parse_rate
from godwit.lab import remains, requirements
from godwit.lab.assembly import bring_up, clear_remains, read_state
from godwit.lab.domain import Workload, disk_path, domain_xml
from godwit.lab.fabric import check_addresses_are_free
from godwit.lab.guests import Guest
from godwit.lab.host import LabHost
from godwit.lab.inventory import Copies, LabStatus, copies_of, hosts_toml, look, settings_toml
from godwit.lab.layout import (
    CLIENT_NAMESPACE,
    FABRIC_NAMESPACE,
    GUESTS_MAX,
    HOSTS_MAX,
    Network,
    guest_address,
    guest_mac,
    known_host,
    stable_uuid,
)
from godwit.lab.links import Link, link_rate
from godwit.lab.meter import SECONDS_MAX_DEFAULT, Meter
from godwit.lab.places import Places, cache_folder
from godwit.lab.problems import LabFailed, LabMisused
from godwit.lab.progress import Say, silent
from godwit.lab.state import GuestRecord, LabState, boot_id, exclusive
from godwit.lab.userland import Userland

__all__ = ["Lab"]

DISKS = ("shared", "local", "none")
CACHED = ("userland-*", "guest-*", "accelerator.json", "lock")
# What the guest's kernel and the workload need besides the working set.
GUEST_OVERHEAD_BYTES = 96 * 1024 * 1024
_NAME_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-")


@dataclass(frozen=True, slots=True, kw_only=True)
class Lab:
    """A lab that is up."""

    places: Places

    @classmethod
    def up(
        cls,
        hosts: int = 3,
        link: str = "1gbit",
        *,
        userland: Userland = Userland.DEBIAN_13,
        say: Say = silent,
    ) -> "Lab":
        """Bring the lab up and return it; one that already runs with these settings is kept.

        Remains of a lab that crashed are cleared first. When it fails, nothing is left behind.

        Raises: LabUnfit when this machine lacks something; LabMisused when another lab is up;
            LabFailed when a step does not work.
        """
        if not 1 <= hosts <= HOSTS_MAX:
            raise LabMisused(f"A lab has 1 to {HOSTS_MAX} hosts, not {hosts}.")
        link_rate(link)
        requirements.check()
        places = Places.default()
        with exclusive(places):
            if cls._is_up_already(places, hosts, link, userland):
                say("the lab is up already")
                return cls(places=places)
            clear_remains(places, say)
            check_addresses_are_free()
            try:
                bring_up(places, hosts, link, userland, say)
            except BaseException:
                remains.clear(places)
                raise
        return cls(places=places)

    @classmethod
    def load(cls) -> "Lab":
        """Return the lab that is up.

        Raises: LabMisused when there is none.
        """
        lab = cls(places=Places.default())
        lab.state()
        return lab

    @staticmethod
    def down(*, say: Say = silent) -> remains.Remains:
        """Take the lab away, whatever state it is in, and return what there was; safe to repeat."""
        places = Places.default()
        with exclusive(places):
            found = remains.clear(places)
        for what, items in (
            ("processes ended", found.processes),
            ("namespaces deleted", found.namespaces),
        ):
            if items:
                say(f"{len(items)} {what}")
        return found

    @staticmethod
    def clean(*, say: Say = silent) -> None:
        """Take the lab away and its cache as well."""
        Lab.down(say=say)
        cache = cache_folder()
        if not cache.exists():
            return
        say(f"removing {cache}")
        # By name: a person may have named a folder that holds other things as well.
        for pattern in CACHED:
            for entry in cache.glob(pattern):
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        if not any(cache.iterdir()):
            cache.rmdir()

    @staticmethod
    def _is_up_already(places: Places, hosts: int, link: str, userland: Userland) -> bool:
        state = read_state(places)
        if state is None or state.phase != "running" or state.boot_id != boot_id():
            return False
        # With hosts that lost their power it is up all the same; without its network it is a wreck.
        expected = {FABRIC_NAMESPACE, CLIENT_NAMESPACE}
        expected |= {known_host(record.name).namespace for record in state.hosts}
        if not expected <= set(remains.find(places).namespaces):
            return False
        if (len(state.hosts), state.link, state.system) != (hosts, link, userland):
            raise LabMisused(
                f"A lab of {len(state.hosts)} hosts with {state.system} and links of {state.link} "
                "is up.",
                remedy="godwit lab down first, or use it as it is.",
            )
        return True

    def state(self) -> LabState:
        """Return what the lab remembers.

        Raises: LabMisused when no lab is up.
        """
        state = LabState.load(self.places)
        if state is None or state.phase != "running" or state.boot_id != boot_id():
            raise LabMisused("No lab is up.", remedy="godwit lab up")
        return state

    # Hosts

    def hosts(self) -> tuple[LabHost, ...]:
        """Return all hosts, with power or without."""
        return tuple(
            LabHost(address=known_host(record.name), record=record, places=self.places)
            for record in self.state().hosts
        )

    def host(self, name: str) -> LabHost:
        """Return one host.

        Raises: LabMisused when the lab has none of that name.
        """
        for host in self.hosts():
            if host.name == name:
                return host
        names = ", ".join(host.name for host in self.hosts())
        raise LabMisused(f"The lab has no host {name!r}.", remedy=f"Use one of {names}.")

    def link(self, host: str, network: Network) -> Link:
        """Return the cable from a host to a network."""
        return Link(host=self.host(host).address, network=network)

    def hosts_toml(self) -> str:
        """Return the hosts as text that ``godwit host add --file`` reads."""
        return hosts_toml([host.address for host in self.hosts()], link=self.state().link)

    def settings_toml(self) -> str:
        """Return what Godwit's settings file may say of the lab."""
        return settings_toml([host.address for host in self.hosts()])

    # Guests

    def guests(self) -> tuple[Guest, ...]:
        """Return all guests that were added, by name."""
        records = sorted(self.state().guests, key=lambda record: record.name)
        return tuple(Guest(record=record) for record in records)

    def guest(self, name: str) -> Guest:
        """Return one guest.

        Raises: LabMisused when the lab has none of that name.
        """
        for guest in self.guests():
            if guest.name == name:
                return guest
        names = ", ".join(guest.name for guest in self.guests()) or "none"
        raise LabMisused(f"The lab has no guest {name!r}.", remedy=f"There is: {names}.")

    def add_guest(
        self,
        name: str,
        *,
        host: str = "h1",
        memory: str = "256MiB",
        vcpus: int = 1,
        dirty_rate: str = "0",
        working_set: str = "64MiB",
        disk: str = "shared",
        disk_size: str = "16MiB",
        metadata: str | None = None,
        running: bool = True,
        transient: bool = False,
    ) -> Guest:
        """Define a guest on a host, start it and wait until it answers.

        ``disk`` is the storage pool, ``shared`` or ``local``, or ``none``. ``metadata`` is XML to
        put into the definition's metadata element. ``running=False`` only defines it;
        ``transient=True`` starts it without a definition. When it fails, nothing of it is left.

        Raises: LabMisused for a wish that can't be met; LabFailed when it does not come up.
        """
        workload = Workload(
            dirty_bytes_per_s=parse_rate(dirty_rate), working_set_bytes=parse_bytes(working_set)
        )
        memory_bytes = parse_bytes(memory)
        _check_guest(name, disk, memory_bytes, workload)
        if transient and not running:
            raise LabMisused("A transient guest exists only while it runs.")
        with exclusive(self.places):
            state = self.state()
            where = self.host(host)
            record = _new_record(state, name, memory_bytes=memory_bytes, vcpus=vcpus, disk=disk)
            xml = domain_xml(record, workload, accelerator=state.accelerator, metadata=metadata)
            file = self._disk_file(record, host)
            replace(state, guests=(*state.guests, record)).save(self.places)
            try:
                if file is not None:
                    _make_disk(file, parse_bytes(disk_size))
                if not transient:
                    where.run(["virsh", "-q", "define", "/dev/stdin"], stdin=xml)
                if running and transient:
                    where.run(["virsh", "-q", "create", "/dev/stdin"], stdin=xml)
                elif running:
                    where.run(["virsh", "-q", "start", name])
            except BaseException:
                self._forget_guest(record)
                raise
        guest = Guest(record=record)
        if running:
            guest.wait_answering()
        return guest

    def remove_guest(self, name: str) -> None:
        """Stop a guest wherever it is, and remove its definitions and its disk."""
        record = self.guest(name).record
        with exclusive(self.places):
            self._forget_guest(record)

    def meter(
        self, guests: Sequence[str] = (), *, seconds_max: float = SECONDS_MAX_DEFAULT
    ) -> Meter:
        """Return a meter of the named guests, or of all; use it as a context manager."""
        chosen = [self.guest(name) for name in guests] if guests else self.guests()
        return Meter(chosen, seconds_max=seconds_max)

    def status(self) -> LabStatus:
        """Look at every host: power, libvirtd, links, guests."""
        state = self.state()
        return look(self.hosts(), link=state.link, accelerator=state.accelerator)

    def copies(self, guest: str) -> Copies:
        """Return host -> state in libvirt's words, for every host that knows the guest.

        A host whose libvirtd does not answer is asked for the guest's QEMU process instead, and
        says ``process`` when there is one.
        """
        record = self.guest(guest).record
        return MappingProxyType(copies_of(record, self.hosts()))

    def where(self, guest: str) -> str | None:
        """Return the host on which a guest runs; None when it runs nowhere.

        Raises: LabFailed when it runs on two hosts, which must never be.
        """
        copies = self.copies(guest)
        running = [host for host, state in copies.items() if state == "running"]
        if len(running) > 1:
            raise LabFailed(f"The guest {guest} runs on {' and '.join(running)} at once.")
        return running[0] if running else None

    def _disk_file(self, record: GuestRecord, host: str) -> Path | None:
        if record.disk == "none":
            return None
        inside = disk_path(record.name, record.disk)
        if record.disk == "shared":
            return self.places.shared / Path(inside).name
        return self.places.host(host) / "local" / Path(inside).name

    def _forget_guest(self, record: GuestRecord) -> None:
        for host in self.hosts():
            if host.is_on() and host.libvirtd_pid() is not None:
                host.try_run(["virsh", "-q", "destroy", record.uuid])
                host.try_run(["virsh", "-q", "undefine", "--nvram", record.uuid])
            if file := self._disk_file(record, host.name):
                file.unlink(missing_ok=True)
        state = self.state()
        guests = tuple(guest for guest in state.guests if guest.name != record.name)
        replace(state, guests=guests).save(self.places)


def _check_guest(name: str, disk: str, memory_bytes: int, workload: Workload) -> None:
    if not name or len(name) > 40 or not set(name) <= _NAME_LETTERS or name[0] == "-":
        raise LabMisused(
            f"{name!r} is no name for a guest.",
            remedy="Use up to 40 small letters, digits and hyphens.",
        )
    if disk not in DISKS:
        raise LabMisused(f"There is no storage pool {disk!r}.", remedy="Use shared, local or none.")
    if workload.working_set_bytes > memory_bytes - GUEST_OVERHEAD_BYTES:
        raise LabMisused(
            "The working set does not fit into the guest's memory.",
            evidence=f"{workload.working_set_bytes} of {memory_bytes} bytes, of which the guest's "
            f"system takes {GUEST_OVERHEAD_BYTES}",
            remedy="Give it more memory or a smaller working set.",
        )


def _new_record(
    state: LabState, name: str, *, memory_bytes: int, vcpus: int, disk: str
) -> GuestRecord:
    if any(guest.name == name for guest in state.guests):
        raise LabMisused(f"The lab has a guest {name!r} already.")
    taken = {guest.number for guest in state.guests}
    free = next((number for number in range(GUESTS_MAX) if number not in taken), None)
    if free is None:
        raise LabMisused(f"The lab has room for {GUESTS_MAX} guests only.")
    return GuestRecord(
        name=name,
        number=free,
        uuid=stable_uuid("guest", name),
        address=guest_address(free),
        mac=guest_mac(free),
        memory_bytes=memory_bytes,
        vcpus=vcpus,
        disk=disk,
    )


def _make_disk(file: Path, size_bytes: int) -> None:
    file.unlink(missing_ok=True)
    descriptor = os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        os.ftruncate(descriptor, size_bytes)
    finally:
        os.close(descriptor)
