"""The libvirt driver: the only place, beside the lab, that imports libvirt."""

from godwit.drivers.libvirt.host import LibvirtConnector, LibvirtHost

__all__ = ["LibvirtConnector", "LibvirtHost"]
