"""Decides how guests run on this machine: under KVM if one really boots with it, else emulated.

The presence of /dev/kvm proves nothing: on some machines it opens and makes virtual machines, and
no ordinary kernel comes up in one. The verdict holds until this machine's next boot.
"""

import json
import subprocess
import threading
from pathlib import Path

from godwit.lab.guest_image import GuestImage
from godwit.lab.progress import Say
from godwit.lab.state import boot_id

__all__ = ["KVM", "TCG", "choose_accelerator"]

KVM = "kvm"
TCG = "tcg"
DEVICE = Path("/dev/kvm")
# An emulated guest is up after 3 s; one under KVM that is not after this long never will be.
BOOT_S = 10.0
READY = b"godwit-guest-ready"


def choose_accelerator(cache: Path, userland: Path, image: GuestImage, say: Say) -> str:
    """Return ``kvm`` or ``tcg``, booting a guest to find out unless that was done since boot."""
    if not DEVICE.exists():
        return TCG
    verdict_file = cache / "accelerator.json"
    try:
        verdict = json.loads(verdict_file.read_text())
        if verdict["boot_id"] == boot_id() and verdict["accelerator"] in {KVM, TCG}:
            return str(verdict["accelerator"])
    except (OSError, ValueError, KeyError):
        pass  # no verdict yet, or none that can be read: find out
    say("trying whether a guest boots under KVM")
    accelerator = KVM if _boots_with_kvm(userland, image) else TCG
    say(f"guests will run under {accelerator.upper()}")
    verdict_file.write_text(json.dumps({"boot_id": boot_id(), "accelerator": accelerator}))
    return accelerator


def _boots_with_kvm(userland: Path, image: GuestImage) -> bool:
    # QEMU of the hosts' own userland, with its libraries, over this machine's devices: all in a
    # mount namespace of its own, which ends with it.
    script = (
        'mount --rbind /dev "$1/dev" && mount --bind "$2" "$1/mnt" && '
        'exec chroot "$1" qemu-system-x86_64 -M q35,accel=kvm -cpu qemu64 -m 256 -nodefaults '
        "-display none -no-reboot -serial stdio -kernel /mnt/kernel -initrd /mnt/initramfs "
        '-append "console=ttyS0 quiet panic=-1"'
    )
    folder = str(image.kernel.parent)
    with subprocess.Popen(
        ["unshare", "--mount", "sh", "-c", script, "sh", str(userland), folder],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        bufsize=0,
    ) as guest:
        guard = threading.Timer(BOOT_S, guest.kill)
        guard.start()
        said = b""
        while READY not in said and guest.stdout and (part := guest.stdout.read(4096)):
            said += part
        guard.cancel()
        guest.kill()
    return READY in said
