"""The parts of the settings that concern the network: its records, and its forwarding tables.

Read into values here, checked whole; which drivers they become is decided in ``keepers``.
"""

import ipaddress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    model_validator,
)

from godwit.core.errors import BadValue
from godwit.core.model import HostName
from godwit.daemon.parts import STRICT, duration
from godwit.drivers.records.dns_names import (
    DnsNames,
    HostSubnet,
    RecordType,
    check_template,
    zone_of,
)
from godwit.drivers.records.secret_files import TsigKey, why_unfit

__all__ = [
    "CommandRecord",
    "DnsRecord",
    "ForwardingPart",
    "ForwardingSettings",
    "RecordPart",
    "RecordSettings",
    "UpstreamSettings",
    "WebhookRecord",
]

_STEPS: Final = ("prepare", "switch", "verify", "roll_back")


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsRecord:
    """A server to be updated, and what is kept there."""

    server: str
    port: int
    key: TsigKey | None
    names: DnsNames


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandRecord:
    """A command and the steps that it is run for."""

    argv: tuple[str, ...]
    steps: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookRecord:
    """A URL and the steps that are posted to it."""

    url: str
    steps: frozenset[str]
    secret_file: Path | None
    ca_file: Path | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordSettings:
    """One record, for the VMs whose name matches one of the patterns."""

    name: str
    patterns: tuple[str, ...]
    limit_s: float
    tries: int
    kind: DnsRecord | CommandRecord | WebhookRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamSettings:
    """A switch between the hosts."""

    name: str
    argv: tuple[str, ...]
    ports: dict[HostName, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwardingSettings:
    """How forwarding tables are read."""

    argv: tuple[str, ...]
    limit_s: float
    upstream: tuple[UpstreamSettings, ...]


def _template(value: str) -> str:
    try:
        check_template(value)
    except BadValue as failure:
        raise ValueError(f"{failure.message}. {failure.remedy}") from failure
    return value


def _zone(value: str) -> str:
    if not value.endswith(".") or value.startswith(".") or ".." in value:
        raise ValueError("a zone is written whole, with a dot at its end")
    return value.lower()


def _secret(value: str) -> str:
    if why := why_unfit(Path(value).expanduser()):
        raise ValueError(f"the secret can't be used: {why}")
    return value


def _url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("a URL of http or https is needed")
    return value


def _file(value: str) -> str:
    if not Path(value).expanduser().is_file():
        raise ValueError("there is no such file")
    return value


def _network(value: str) -> str:
    ipaddress.ip_network(value)
    return value


class _Part(BaseModel):
    model_config = STRICT


_Text = Annotated[str, Field(min_length=1)]
_Texts = Annotated[list[_Text], Field(min_length=1)]
_Limit = Annotated[float, BeforeValidator(duration), Field(ge=0.1, le=30)]
_Steps = Annotated[list[Literal["prepare", "switch", "verify", "roll_back"]], Field(min_length=1)]
_SecretFile = Annotated[_Text, AfterValidator(_secret)]


class _Record(_Part):
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=40)]
    vms: _Texts = ["*"]
    limit: _Limit = 5.0
    tries: Annotated[int, Field(ge=1, le=10)] = 3

    def _settings(self, kind: DnsRecord | CommandRecord | WebhookRecord) -> RecordSettings:
        return RecordSettings(
            name=self.name,
            patterns=tuple(self.vms),
            limit_s=self.limit,
            tries=self.tries,
            kind=kind,
        )


class _Key(_Part):
    name: _Text
    algorithm: Literal["hmac-sha224", "hmac-sha256", "hmac-sha384", "hmac-sha512"] = "hmac-sha256"
    secret_file: _SecretFile


class _Subnet(_Part):
    label: _Text
    value: str
    network: Annotated[_Text, AfterValidator(_network)]


class _Dns(_Record):
    kind: Literal["dns"]
    server: _Text
    port: Annotated[int, Field(ge=1, le=65535)] = 53
    key: _Key | None = None
    zones: Annotated[list[Annotated[_Text, AfterValidator(_zone)]], Field(min_length=1)]
    types: Annotated[list[Literal["A", "AAAA", "PTR", "TXT"]], Field(min_length=1)] = [
        "A",
        "AAAA",
        "PTR",
        "TXT",
    ]
    host_name: Annotated[str, AfterValidator(_template)]
    place_name: Annotated[str, AfterValidator(_template)]
    ttl: Annotated[float, BeforeValidator(duration), Field(ge=0, le=86400)] = 60.0
    subnets: list[_Subnet] = []

    @model_validator(mode="after")
    def _in_zones(self) -> Self:
        for name, template in (("host_name", self.host_name), ("place_name", self.place_name)):
            if zone_of(self._names(), template.replace("{vm}", "x").lower()) is None:
                raise ValueError(f"{name} {template!r} lies in none of the zones")
        return self

    def _names(self) -> DnsNames:
        return DnsNames(
            host_name=self.host_name,
            place_name=self.place_name,
            zones=tuple(self.zones),
            types=frozenset(RecordType(one) for one in self.types),
            ttl_s=int(self.ttl),
            subnets=tuple(
                HostSubnet(
                    label=one.label, value=one.value, network=ipaddress.ip_network(one.network)
                )
                for one in self.subnets
            ),
        )

    def settings(self) -> RecordSettings:
        key = None
        if self.key is not None:
            file = Path(self.key.secret_file).expanduser()
            key = TsigKey(name=self.key.name, algorithm=self.key.algorithm, secret_file=file)
        return self._settings(
            DnsRecord(server=self.server, port=self.port, key=key, names=self._names())
        )


class _Command(_Record):
    kind: Literal["command"]
    command: _Texts
    steps: _Steps = list(_STEPS)

    def settings(self) -> RecordSettings:
        return self._settings(CommandRecord(argv=tuple(self.command), steps=frozenset(self.steps)))


class _Webhook(_Record):
    kind: Literal["webhook"]
    url: Annotated[str, AfterValidator(_url)]
    secret_file: _SecretFile | None = None
    ca_file: Annotated[_Text, AfterValidator(_file)] | None = None
    steps: _Steps = list(_STEPS)

    def settings(self) -> RecordSettings:
        return self._settings(
            WebhookRecord(
                url=self.url,
                steps=frozenset(self.steps),
                secret_file=Path(self.secret_file).expanduser() if self.secret_file else None,
                ca_file=Path(self.ca_file).expanduser() if self.ca_file else None,
            )
        )


#: One ``[[record]]``, told apart by its kind.
RecordPart = Annotated[_Dns | _Command | _Webhook, Field(discriminator="kind")]


class _Upstream(_Part):
    name: _Text
    command: _Texts
    ports: dict[_Text, _Text] = {}


class ForwardingPart(_Part):
    """The table ``[forwarding]``."""

    command: _Texts
    limit: _Limit = 3.0
    upstream: list[_Upstream] = []

    @model_validator(mode="after")
    def _names_the_host(self) -> Self:
        if not any("{host}" in one for one in self.command):
            raise ValueError("command has no {host}: it would read the same table for all hosts")
        return self

    def settings(self) -> ForwardingSettings:
        """As a value."""
        return ForwardingSettings(
            argv=tuple(self.command),
            limit_s=self.limit,
            upstream=tuple(
                UpstreamSettings(
                    name=one.name,
                    argv=tuple(one.command),
                    ports={HostName(host): port for host, port in one.ports.items()},
                )
                for one in self.upstream
            ),
        )
