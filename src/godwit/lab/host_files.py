"""The configuration that a host boots with: libvirt, QEMU, names, storage pools, the guest network.

Texts only, as a mapping from path to content; ``host`` writes them. What is not set here stays at
the distribution's default, keep-alive above all: the lab has to show what users get.
"""

from collections.abc import Mapping, Sequence

from godwit.lab.layout import LIBVIRT_PORT, HostAddress, Network, stable_uuid

__all__ = ["host_files", "host_links"]

SHARED_FOLDER = "/srv/shared"
LOCAL_FOLDER = "/srv/local"
POOLS = {"shared": SHARED_FOLDER, "local": LOCAL_FOLDER}
GUEST_NETWORK = "guests"


def host_files(address: HostAddress, neighbours: Sequence[HostAddress]) -> Mapping[str, str]:
    """Return path inside the host -> content, for a host that knows its neighbours by name."""
    names = "".join(f"{other.management} {other.name}\n" for other in neighbours)
    files = {
        "etc/hostname": f"{address.name}\n",
        "etc/hosts": f"127.0.0.1 localhost\n{names}",
        # Empty on purpose: a name that is not in /etc/hosts must fail at once, not after a wait.
        "etc/resolv.conf": "",
        "etc/machine-id": stable_uuid("machine", address.name).replace("-", "") + "\n",
        "etc/libvirt/libvirtd.conf": _libvirtd_conf(address),
        "etc/libvirt/qemu.conf": _qemu_conf(address),
        f"etc/libvirt/qemu/networks/{GUEST_NETWORK}.xml": _guest_network(address),
    }
    for pool, folder in POOLS.items():
        files[f"etc/libvirt/storage/{pool}.xml"] = _pool(address, pool, folder)
    return files


def host_links() -> Mapping[str, str]:
    """Return symbolic links inside the host -> target; libvirt's own form of "autostart"."""
    links = {
        f"etc/libvirt/qemu/networks/autostart/{GUEST_NETWORK}.xml": (
            f"/etc/libvirt/qemu/networks/{GUEST_NETWORK}.xml"
        )
    }
    for pool in POOLS:
        links[f"etc/libvirt/storage/autostart/{pool}.xml"] = f"/etc/libvirt/storage/{pool}.xml"
    return links


def _libvirtd_conf(address: HostAddress) -> str:
    return f"""# Written by the Godwit lab.
listen_tls = 0
listen_tcp = 1
tcp_port = "{LIBVIRT_PORT}"
listen_addr = "0.0.0.0"
auth_tcp = "none"
auth_unix_ro = "none"
auth_unix_rw = "none"
# All hosts share one firmware, and libvirt refuses to migrate between equal host UUIDs.
host_uuid = "{address.uuid}"
log_level = 3
log_filters = "2:qemu.qemu_migration 2:qemu.qemu_process"
log_outputs = "2:file:/var/log/libvirt/libvirtd.log"
"""


def _qemu_conf(address: HostAddress) -> str:
    return f"""# Written by the Godwit lab.
security_driver = "none"
user = "root"
group = "root"
dynamic_ownership = 0
remember_owner = 0
cgroup_controllers = []
namespaces = []
# QEMU writes its log itself, so that it does not depend on a virtlogd that faults may kill.
stdio_handler = "file"
# The same folder on every host, bind-mounted: shared storage that does not look like it.
shared_filesystems = [ "{SHARED_FOLDER}" ]
migration_address = "{address.migration}"
migration_host = "{address.migration}"
"""


def _guest_network(address: HostAddress) -> str:
    return f"""<network>
  <name>{GUEST_NETWORK}</name>
  <uuid>{stable_uuid("network", GUEST_NETWORK, address.name)}</uuid>
  <forward mode='bridge'/>
  <bridge name='{Network.GUEST.bridge}'/>
</network>
"""


def _pool(address: HostAddress, pool: str, folder: str) -> str:
    # A shared pool is one thing seen from many hosts; a local one is another on each.
    where = () if pool == "shared" else (address.name,)
    return f"""<pool type='dir'>
  <name>{pool}</name>
  <uuid>{stable_uuid("pool", pool, *where)}</uuid>
  <source/>
  <target><path>{folder}</path></target>
</pool>
"""
