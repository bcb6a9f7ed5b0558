"""The part of the settings that declares rules: ``[[rule]]``, one model a kind.

A key that a kind has no use for is a mistake, and is refused like any unknown one.
"""

from abc import ABC, abstractmethod
from dataclasses import replace
from typing import Annotated, Final, Literal, Self, TypeAlias

from pydantic import BaseModel, BeforeValidator, Field, model_validator

from godwit.core.errors import BadValue
from godwit.core.model import Rule, When
from godwit.core.rules.absorb import Absorb
from godwit.core.rules.affinity import Affinity
from godwit.core.rules.anti_affinity import AntiAffinity
from godwit.core.rules.available import Available
from godwit.core.rules.bandwidth import Bandwidth
from godwit.core.rules.bundle import Bundle
from godwit.core.rules.capacity import Capacity, Resource
from godwit.core.rules.drained import Drained
from godwit.core.rules.in_flight import InFlight
from godwit.core.rules.in_force import SPARE_PRICE
from godwit.core.rules.keep_off import KeepOff
from godwit.core.rules.pinned import Pinned
from godwit.core.rules.quarantine import Quarantine
from godwit.core.rules.run_on import RunOn
from godwit.core.rules.selecting import DeclaredRule, Selection
from godwit.core.rules.spread import Spread
from godwit.core.rules.stay_within import StayWithin
from godwit.core.units import parse_rate
from godwit.daemon.parts import STRICT

__all__ = ["RulePart", "declared_rule"]

_Text = Annotated[str, Field(min_length=1)]
_Count = Annotated[int, Field(ge=1)]


def _rate(value: object) -> object:
    try:
        return parse_rate(value) if isinstance(value, str) else value
    except BadValue as failure:
        raise ValueError(failure.message) from failure


_Rate = Annotated[float, BeforeValidator(_rate), Field(gt=0, allow_inf_nan=False)]


class _Rule(BaseModel, ABC):
    """What every rule says. One with a price is soft, unless nothing else is said."""

    model_config = STRICT

    name: _Text
    hard: bool | None = None
    price: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None

    @model_validator(mode="after")
    def _priced(self) -> Self:
        if self.hard and self.price is not None:
            msg = "a hard rule has no price: leave one of hard and price out"
            raise ValueError(msg)
        return self

    @abstractmethod
    def rule(self) -> Rule:
        """Return the rule, without what all kinds have in common."""


class _Vms(_Rule):
    vms: list[_Text] = []
    vm_labels: dict[str, str] = {}

    @model_validator(mode="after")
    def _meant(self) -> Self:
        if not self.vms and not self.vm_labels:
            msg = 'it means no VMs: set vms or vm_labels, or vms = ["*"] for all'
            raise ValueError(msg)
        return self


class _Hosts(_Rule):
    hosts: list[_Text] = []
    host_labels: dict[str, str] = {}


class _MeantHosts(_Hosts):
    @model_validator(mode="after")
    def _hosts_meant(self) -> Self:
        if not self.hosts and not self.host_labels:
            msg = "it means no hosts: set hosts or host_labels"
            raise ValueError(msg)
        return self


class _Timed(_Rule):
    when: Literal["at the end", "at every instant"] | None = None


class _AnyVms(_Rule):
    vms: list[_Text] = []
    vm_labels: dict[str, str] = {}


class _Affinity(_Vms):
    kind: Literal["affinity"]
    by: _Text = "host"

    def rule(self) -> Rule:
        return Affinity(name=self.name, by=self.by)


class _AntiAffinity(_Vms, _Timed):
    kind: Literal["anti-affinity"]
    by: _Text = "host"

    def rule(self) -> Rule:
        return AntiAffinity(name=self.name, by=self.by)


class _RunOn(_Vms, _MeantHosts, _Timed):
    kind: Literal["run-on"]

    def rule(self) -> Rule:
        return RunOn(name=self.name)


class _KeepOff(_Vms, _MeantHosts, _Timed):
    kind: Literal["keep-off"]

    def rule(self) -> Rule:
        return KeepOff(name=self.name)


class _StayWithin(_Vms, _Timed):
    kind: Literal["stay-within"]
    by: _Text

    def rule(self) -> Rule:
        return StayWithin(name=self.name, by=self.by)


class _Pinned(_Vms):
    kind: Literal["pinned"]

    def rule(self) -> Rule:
        return Pinned(name=self.name)


class _Spread(_Vms, _Hosts, _Timed):
    kind: Literal["spread"]
    by: _Text = "host"
    max_skew: _Count | None = None
    min_values: Annotated[int, Field(ge=2)] | None = None

    def rule(self) -> Rule:
        even = self.max_skew is None and self.min_values is None
        return Spread(
            name=self.name,
            by=self.by,
            most_skew=1 if even else self.max_skew,
            least_values=self.min_values or 0,
        )


class _Available(_Vms, _Timed):
    kind: Literal["available"]
    min: _Count
    losing: _Text | None = None

    def rule(self) -> Rule:
        return Available(name=self.name, least=self.min, losing=self.losing)


class _Bundle(_Vms):
    kind: Literal["bundle"]
    by: _Text = "host"

    def rule(self) -> Rule:
        return Bundle(name=self.name, by=self.by)


class _InFlight(_Vms):
    kind: Literal["in-flight"]
    max: _Count

    def rule(self) -> Rule:
        return InFlight(name=self.name, most=self.max)


class _Quarantine(_MeantHosts, _AnyVms):
    kind: Literal["quarantine"]

    def rule(self) -> Rule:
        return Quarantine(name=self.name)


class _Drained(_MeantHosts, _AnyVms):
    kind: Literal["drained"]

    def rule(self) -> Rule:
        return Drained(name=self.name)


class _Capacity(_Hosts, _Timed):
    kind: Literal["capacity"]
    resource: Literal["memory", "cores"]
    max: Annotated[float, Field(gt=0, le=1)]

    def rule(self) -> Rule:
        resource = Resource(self.resource)
        return Capacity(name=self.name, resource=resource, most_fraction=self.max)


class _Network(_Vms, _Hosts, _Timed):
    kind: Literal["network"]
    each: _Rate
    max: _Rate

    def rule(self) -> Rule:
        return Bandwidth(name=self.name, each_bytes_per_s=self.each, most_bytes_per_s=self.max)


class _Spare(_Hosts, _AnyVms, _Timed):
    kind: Literal["n+1"]
    by: _Text = "host"

    def rule(self) -> Rule:
        return Absorb(name=self.name, by=self.by, hard=False, price=SPARE_PRICE)


RulePart: TypeAlias = Annotated[
    _Affinity
    | _AntiAffinity
    | _RunOn
    | _KeepOff
    | _StayWithin
    | _Pinned
    | _Spread
    | _Available
    | _Bundle
    | _InFlight
    | _Quarantine
    | _Drained
    | _Capacity
    | _Network
    | _Spare,
    Field(discriminator="kind"),
]

_WHEN: Final = {one.value: one for one in When}


def declared_rule(part: RulePart, number: int) -> DeclaredRule:
    """Return the rule that a part declares, the so-manieth of the file."""
    rule = part.rule()
    hard = part.hard if part.hard is not None else rule.hard and part.price is None
    when = getattr(part, "when", None)
    return DeclaredRule(
        rule=replace(
            rule,
            origin=f"[[rule]] {number} of godwit.toml",
            hard=hard,
            price=part.price if part.price is not None else rule.price,
            when=_WHEN[when] if when is not None else rule.when,
        ),
        vms=_selection(part, "vms", "vm_labels"),
        hosts=_selection(part, "hosts", "host_labels"),
    )


def _selection(part: _Rule, names: str, labels: str) -> Selection:
    """What the part picks; a kind without these keys means all there are."""
    return Selection(
        patterns=tuple(getattr(part, names, ())), labels=dict(getattr(part, labels, {}))
    )
