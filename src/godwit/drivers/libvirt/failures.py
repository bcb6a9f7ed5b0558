"""Every libvirt error, mapped to the tree of errors in one place.

A migrate call that lost its connection is *unknown*: only reading both sides may decide. Everything
else that the daemon said is its own statement that it did not happen.
"""

from typing import Final

import libvirt

from godwit.core.errors import (
    Aborted,
    DriverError,
    HostUnreachable,
    OutcomeUnknown,
    StepRefused,
    Unsupported,
)

__all__ = ["is_missing_domain", "map_failure", "map_migrate_failure"]

_CONNECTION_DOMAINS: Final = frozenset({libvirt.VIR_FROM_RPC, libvirt.VIR_FROM_REMOTE})
_CONNECTION_CODES: Final = frozenset(
    {
        libvirt.VIR_ERR_SYSTEM_ERROR,
        libvirt.VIR_ERR_INTERNAL_ERROR,
        libvirt.VIR_ERR_INVALID_CONN,
        libvirt.VIR_ERR_RPC,
        libvirt.VIR_ERR_NO_CONNECT,
    }
)
_UNSUPPORTED: Final = frozenset(
    {
        libvirt.VIR_ERR_NO_SUPPORT,
        libvirt.VIR_ERR_OPERATION_UNSUPPORTED,
        libvirt.VIR_ERR_ARGUMENT_UNSUPPORTED,
        libvirt.VIR_ERR_CONFIG_UNSUPPORTED,
        libvirt.VIR_ERR_INVALID_ARG,
    }
)

_POSTCOPY_BROKE: Final = "failed in post-copy phase"

#: What helps, by what libvirt says. The first text found in the message wins.
_REMEDIES: Final = (
    (
        "without shared storage is unsafe",
        (
            "libvirt on the source does not know the disk's file system as shared. Name it in"
            " `shared_filesystems` of qemu.conf (libvirt 10.8 and later), or use storage that it"
            " knows (NFS, CephFS, RBD)."
        ),
    ),
    (
        "postcopy is not supported",
        (
            "The destination's kernel does not let QEMU take page faults: give QEMU"
            " /dev/userfaultfd (QEMU 8 and later), or set vm.unprivileged_userfaultfd to 1 there."
        ),
    ),
    (
        "unable to find an unused port",
        "The destination has no free migration port (49152-49215): let other migrations end.",
    ),
    (
        "unable to connect to server",
        (
            "The source can't open the migration stream: check the destination's migration address"
            " and that ports 49152-49215 are open between the hosts."
        ),
    ),
    (
        "cannot access storage file",
        "The destination does not see the disk: mount the same storage there.",
    ),
    ("network not found", "Define and start that libvirt network on the destination."),
    ("guest cpu doesn't match", "Choose a host whose CPU has the missing features."),
    (
        "already exists",
        (
            "The destination has another VM of that name, or the definition of an earlier copy:"
            " remove it there after checking that it is not needed."
        ),
    ),
    (
        "another migration job",
        "The VM is being moved already: `godwit status` shows by whom.",
    ),
    ("cannot acquire state change lock", "Another job holds the VM; try again when it is over."),
)


def is_missing_domain(error: libvirt.libvirtError) -> bool:
    """Whether the daemon answered that it has no such domain."""
    return bool(error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN)


def is_broken_connection(error: libvirt.libvirtError) -> bool:
    """Whether the error came from the connection and not from the daemon's own work."""
    return (
        error.get_error_domain() in _CONNECTION_DOMAINS
        and error.get_error_code() in _CONNECTION_CODES
    )


def _text(error: libvirt.libvirtError) -> str:
    return f"libvirt: {error.get_error_message()} (code {error.get_error_code()})"


def _remedy(error: libvirt.libvirtError, otherwise: str) -> str:
    message = str(error.get_error_message()).lower()
    return next((help_ for text, help_ in _REMEDIES if text in message), otherwise)


def map_failure(error: libvirt.libvirtError, *, host: str, doing: str) -> DriverError:
    """Map the failure of any call but a migrate call."""
    if is_broken_connection(error):
        return HostUnreachable(
            f"{host} does not answer",
            evidence=f"{doing}: {_text(error)}",
            remedy=f"Check that libvirtd runs on {host} and that this machine reaches it.",
        )
    if error.get_error_code() in _UNSUPPORTED:
        return Unsupported(
            f"{host} does not support it",
            evidence=f"{doing}: {_text(error)}",
            remedy="See `godwit host show` for the versions; libvirt 9.0 and QEMU 7.2 are needed.",
        )
    return StepRefused(
        f"{host} refused: {doing}",
        evidence=_text(error),
        remedy=_remedy(error, "See the libvirt log of that host."),
    )


def map_migrate_failure(error: libvirt.libvirtError, *, source: str, answered: bool) -> DriverError:
    """Map the failure of a migrate call: what it says is evidence, both sides are read anyway.

    ``answered`` says that our own connection to the source still stands. Then a broken connection
    in the error is the source's to the destination, and the error is the source's answer.
    """
    code = error.get_error_code()
    if code == libvirt.VIR_ERR_OPERATION_ABORTED:
        return Aborted("the migration was aborted", evidence=_text(error))
    if _POSTCOPY_BROKE in str(error.get_error_message()):
        # It did happen: the guest runs at the destination, without all of its memory.
        return OutcomeUnknown(
            "the stream of a post-copy broke",
            evidence=_text(error),
            remedy="It is taken up again when the destination can be reached: both hosts keep what"
            " they have.",
        )
    lost = is_broken_connection(error) and not answered
    if lost or code == libvirt.VIR_ERR_NO_DOMAIN:
        return OutcomeUnknown(
            f"the answer of {source} was lost",
            evidence=_text(error),
            remedy="Both hosts are asked until it is known who runs the guest.",
        )
    return StepRefused(
        _cause(str(error.get_error_message())),
        evidence=_text(error),
        remedy=_remedy(error, "See the libvirt and QEMU logs of both hosts."),
    )


def _cause(message: str) -> str:
    """Say in plain words what kind of failure a migrate call reports."""
    low = message.lower()
    if any(one in low for one in ("lost connection to dest", "keepalive", "socket is closed")):
        return "the source lost the destination's libvirt"
    if "unable to connect" in low or "failed to connect" in low:
        return "the source could not reach the destination"
    if "is not active" in low or "domain is not running" in low:
        return "the guest is not running any more"
    if "qemu" in low and ("unexpectedly" in low or "exited" in low or "closed" in low):
        return "a QEMU process ended during the migration"
    return "the hypervisors gave the migration up"
