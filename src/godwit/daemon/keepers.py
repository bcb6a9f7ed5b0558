"""Makes the drivers that the network's part of the settings names."""

from godwit.daemon.network_settings import (
    CommandRecord,
    DnsRecord,
    ForwardingSettings,
    RecordSettings,
)
from godwit.engine.record_steps import RecordRule
from godwit.ports import ForwardingReader, RecordKeeper

__all__ = ["forwarding_reader", "record_rules"]


def record_rules(settings: tuple[RecordSettings, ...]) -> tuple[RecordRule, ...]:
    """A rule for each record, in the order of the file."""
    return tuple(
        RecordRule(keeper=_keeper(one), patterns=one.patterns, limit_s=one.limit_s, tries=one.tries)
        for one in settings
    )


# Each driver is imported where it is needed: most sites need none, and each brings a library.


def _keeper(settings: RecordSettings) -> RecordKeeper:
    kind = settings.kind
    if isinstance(kind, DnsRecord):
        from godwit.drivers.records.dns import DnsKeeper  # noqa: PLC0415
        from godwit.drivers.records.dns_server import DnsServer  # noqa: PLC0415

        server = DnsServer(kind.server, port=kind.port, key=kind.key)
        return DnsKeeper(settings.name, server, kind.names)
    if isinstance(kind, CommandRecord):
        from godwit.drivers.records.command import CommandKeeper  # noqa: PLC0415

        return CommandKeeper(settings.name, kind.argv, steps=kind.steps)
    from godwit.drivers.records.webhook import WebhookKeeper  # noqa: PLC0415

    return WebhookKeeper(
        settings.name,
        kind.url,
        steps=kind.steps,
        secret_file=kind.secret_file,
        ca_file=kind.ca_file,
    )


def forwarding_reader(settings: ForwardingSettings | None) -> ForwardingReader | None:
    """What reads the forwarding tables; None where the site gives no way."""
    if settings is None:
        return None
    from godwit.drivers.forwarding import ForwardingCommands, UpstreamCommand  # noqa: PLC0415

    upstream = [
        UpstreamCommand(name=one.name, argv=one.argv, ports=one.ports) for one in settings.upstream
    ]
    return ForwardingCommands(settings.argv, upstream=upstream, limit_s=settings.limit_s)
