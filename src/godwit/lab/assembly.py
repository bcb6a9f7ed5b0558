"""Puts a lab together, step by step, each recorded before the next; and clears a broken one.

The caller holds the lab's lock and decides what to do about a failure: see ``lab``.
"""

import shutil
from dataclasses import replace
from pathlib import Path

from godwit.lab import remains
from godwit.lab.accelerator import choose_accelerator
from godwit.lab.fabric import build_fabric, connect_host
from godwit.lab.guest_image import GuestImage, build_guest_image
from godwit.lab.host import LabHost, create_host_files, start_host
from godwit.lab.layout import Network, host_names, known_host
from godwit.lab.links import Link, link_rate
from godwit.lab.places import Places, cache_folder
from godwit.lab.problems import LabFailed, LabMisused
from godwit.lab.progress import Say
from godwit.lab.state import HostRecord, LabState, boot_id
from godwit.lab.userland import Userland, build_userland, cache_lock, publish

__all__ = ["bring_up", "clear_remains", "read_state"]

CAPABILITIES = "var/cache/libvirt/qemu/capabilities"


def read_state(places: Places) -> LabState | None:
    """Return what the lab remembers; None when there is nothing that can be read."""
    try:
        return LabState.load(places)
    except LabFailed:
        return None  # a file that can't be read is the remains of something: cleared with the rest


def clear_remains(places: Places, say: Say) -> None:
    """Take away what a lab that crashed left behind.

    Raises: LabMisused when it may be a lab that another folder knows of, or is none at all.
    """
    found = remains.find(places)
    if found and not places.state_file.exists():
        raise LabMisused(
            f"There are namespaces of a lab, but {places.root} knows nothing of it.",
            evidence=", ".join(found.namespaces or found.interfaces),
            remedy="If it is a lab with another GODWIT_LAB_DIR, use that one; "
            "if not: godwit lab down",
        )
    if remains.is_foreign(places):
        raise LabMisused(
            f"{places.root} holds something that is no lab's.",
            remedy="Name a folder in GODWIT_LAB_DIR that is empty or not there yet.",
        )
    if found or places.root.exists():
        say("clearing the remains of an earlier lab")
        remains.clear(places)


def bring_up(places: Places, hosts: int, link: str, which: Userland, say: Say) -> None:
    """Make a lab on a machine that has none; on failure the caller clears what there is."""
    state = LabState(
        boot_id=boot_id(),
        link=link,
        system=which.value,
        hosts=tuple(HostRecord(name=name) for name in host_names(hosts)),
    )
    state.save(places)
    cache = cache_folder()
    userland = build_userland(cache, which, say)
    image = build_guest_image(cache, userland, say)
    accelerator = choose_accelerator(cache, userland, image, say)
    state = replace(state, userland=str(userland), accelerator=accelerator)
    state.save(places)
    _fill_shared(places, image)
    say("making the network")
    build_fabric()
    addresses = [known_host(record.name) for record in state.hosts]
    capabilities = userland.parent / "capabilities"
    for address in addresses:
        say(f"booting {address.name}")
        create_host_files(places, address, addresses)
        _seed_capabilities(capabilities, places.host(address.name) / "upper")
        connect_host(address)
        Link(host=address, network=Network.MIGRATION).limit(link_rate(link))
        record = start_host(places, address, userland=userland, accelerator=accelerator)
        state = state.with_host(record)
        state.save(places)
        host = LabHost(address=address, record=record, places=places)
        host.start_libvirtd()
        _keep_capabilities(capabilities, host, say)
    replace(state, phase="running").save(places)


def _seed_capabilities(cached: Path, upper: Path) -> None:
    # libvirt asks each new QEMU for what it can do, which takes seconds of the first start or
    # migration on a host, and keeps the answer. All hosts have the same QEMU; libvirt itself checks
    # whether an answer that it finds still holds, and asks anew if not.
    if cached.is_dir():
        shutil.copytree(cached, upper / CAPABILITIES)


def _keep_capabilities(cached: Path, host: LabHost, say: Say) -> None:
    if cached.is_dir():
        return
    say("asking QEMU what it can do (once)")
    host.run(["virsh", "-q", "capabilities"])
    found = host.places.host(host.name) / "upper" / CAPABILITIES
    with cache_lock(cache_folder()):
        if not cached.is_dir():
            with publish(cached) as building:
                shutil.copytree(found, building, dirs_exist_ok=True)


def _fill_shared(places: Places, image: GuestImage) -> None:
    boot = places.shared / "boot"
    boot.mkdir(parents=True)
    for file in (image.kernel, image.initramfs):
        shutil.copyfile(file, boot / file.name)
