"""Writes a policy into the metadata of a domain. Blocking, for a thread.

The running VM and its definition have metadata of their own, which may differ: each is edited in
place, the definition first, so that a failure leaves the running one as it was.
"""

import xml.etree.ElementTree as ET
from typing import Final

import libvirt

from godwit.core.errors import BadValue
from godwit.core.model import VmPolicy
from godwit.drivers.libvirt.policy_xml import NAMESPACE, edit_policy

__all__ = ["put_policy"]

_KEY: Final = "godwit"


def put_policy(domain: "libvirt.virDomain", policy: VmPolicy) -> None:
    """Write the given fields. Raises: BadValue, libvirtError."""
    edited: list[tuple[int, str]] = []
    if domain.isPersistent():
        config = libvirt.VIR_DOMAIN_AFFECT_CONFIG
        edited.append((config, _edited(domain, policy, config)))
    if domain.isActive():
        live = libvirt.VIR_DOMAIN_AFFECT_LIVE
        edited.append((live, _edited(domain, policy, live)))
    for which, text in edited:  # all of it could be understood: now it is written
        domain.setMetadata(libvirt.VIR_DOMAIN_METADATA_ELEMENT, text, _KEY, NAMESPACE, which)


def _edited(domain: "libvirt.virDomain", policy: VmPolicy, which: int) -> str:
    element = _parse(_text(domain, which))
    edit_policy(element, policy)
    return ET.tostring(element, encoding="unicode")


def _text(domain: "libvirt.virDomain", which: int) -> str:
    try:
        return str(domain.metadata(libvirt.VIR_DOMAIN_METADATA_ELEMENT, NAMESPACE, which))
    except libvirt.libvirtError as error:
        if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN_METADATA:
            return "<vm/>"
        raise


def _parse(text: str) -> ET.Element:
    parser = ET.XMLParser(target=ET.TreeBuilder(insert_comments=True))  # noqa: S314 - from libvirt
    element = ET.fromstring(text, parser)  # noqa: S314 - the same
    if element.tag.rpartition("}")[2] != "vm":
        raise BadValue(
            f"the VM's Godwit metadata can't be understood: it is a <{element.tag}>, not a <vm>",
            remedy="Mend it with `virsh metadata`.",
        )
    return element
