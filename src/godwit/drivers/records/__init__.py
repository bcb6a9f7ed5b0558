"""Keepers of the network's records: DNS updates, a command, a webhook.

Each says the same change in its own way. When a step is due, how often it is tried again and what
its failure means is the engine's business.
"""

from godwit.drivers.records.command import CommandKeeper
from godwit.drivers.records.dns import DnsKeeper
from godwit.drivers.records.dns_names import DnsNames, HostSubnet, RecordType
from godwit.drivers.records.dns_server import DnsServer, TsigKey
from godwit.drivers.records.webhook import WebhookKeeper

__all__ = [
    "CommandKeeper",
    "DnsKeeper",
    "DnsNames",
    "DnsServer",
    "HostSubnet",
    "RecordType",
    "TsigKey",
    "WebhookKeeper",
]
