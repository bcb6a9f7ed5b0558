"""The policy of a VM on the wire: each field with its origin, and what is to be changed."""

from collections.abc import Callable
from dataclasses import fields
from typing import Annotated, Any, Final, TypeAlias

from pydantic import AfterValidator, Field

from godwit.core import model
from godwit.core.errors import BadValue
from godwit.core.units import format_duration
from godwit.wire.shape import Reply, Request

__all__ = [
    "POLICY_FIELDS",
    "Policy",
    "PolicyChange",
    "PolicyChanged",
    "PolicyField",
    "policy_change_from_wire",
    "policy_to_wire",
]

_Duration = Annotated[float, Field(gt=0, le=7 * 86400)]
_Pause = Annotated[float, Field(gt=0, le=3600)]


def _printable(text: str) -> str:
    # It becomes an attribute of XML, which has no way to write the others.
    if not text.isprintable():
        raise ValueError("a label can't have control characters")
    return text


_LabelText = Annotated[str, Field(max_length=255), AfterValidator(_printable)]
PolicyValue: TypeAlias = bool | float | str | dict[str, str] | tuple[str, ...] | None

#: The fields of a policy, in the order in which they are shown.
POLICY_FIELDS: Final = (
    "pause_max_s",
    "pause_target_s",
    "pause_longer_s",
    "deadline_s",
    "may_throttle",
    "may_postcopy",
    "priority",
    "labels",
    "affinity",
    "anti_affinity",
    "probe",
)


class PolicyField(Reply):
    """One field. ``origin`` is vm (its own metadata), rule or default; ``rule`` counts from 1."""

    name: str
    value: PolicyValue
    origin: str
    rule: int | None = None


class Policy(Reply):
    """What holds for a VM now."""

    vm: str
    vm_name: str
    host: str
    fields: tuple[PolicyField, ...]


class PolicyChange(Request):
    """What the VM's own metadata is to say. What is not named here stays as it is.

    ``labels`` are added to those that are there. ``unset`` names fields that the metadata shall no
    longer set; then the rules of the site or the defaults hold.
    """

    pause_max_s: _Pause | None = None
    pause_target_s: _Pause | None = None
    pause_longer_s: _Pause | None = None
    deadline_s: _Duration | None = None
    may_throttle: bool | None = None
    may_postcopy: bool | None = None
    priority: Annotated[int, Field(ge=-1000, le=1000)] | None = None
    labels: dict[Annotated[_LabelText, Field(min_length=1)], _LabelText] | None = None
    unset: tuple[str, ...] = ()


class PolicyChanged(Reply):
    """What held before, and what holds now."""

    before: Policy
    after: Policy


def policy_to_wire(vm: model.Vm, rule_of: Callable[[str], int | None]) -> Policy:
    """Convert the policy of a VM; ``rule_of`` says which rule of the site sets a field."""
    return Policy(
        vm=vm.id,
        vm_name=vm.name,
        host=vm.host,
        fields=tuple(_field(vm.policy, name, rule_of(name)) for name in POLICY_FIELDS),
    )


def _field(policy: model.VmPolicy, name: str, rule: int | None) -> PolicyField:
    own = name in policy.given
    origin = "vm" if own else "rule" if rule is not None else "default"
    return PolicyField(
        name=name, value=_value(policy, name), origin=origin, rule=None if own else rule
    )


def _value(policy: model.VmPolicy, name: str) -> PolicyValue:
    value: Any = getattr(policy, name)
    if isinstance(value, model.Probe):
        port = f":{value.tcp_port}" if value.tcp_port is not None else ""
        return f"{value.address}{port}"
    if name == "labels":
        return dict(sorted(policy.labels.items()))
    return value  # type: ignore[no-any-return]


def policy_change_from_wire(change: PolicyChange, vm: model.Vm) -> model.VmPolicy:
    """Make the policy to be written: its ``given`` are the fields to write, None removes one.

    Raises: BadValue when nothing is changed, or limits contradict each other.
    """
    given = {name: value for name, value in change if name != "unset" and value is not None}
    if unknown := set(change.unset) - set(POLICY_FIELDS):
        raise BadValue(
            f"a policy has no field {min(unknown)!r}",
            remedy=f"Its fields: {', '.join(POLICY_FIELDS)}.",
        )
    if both := set(change.unset) & set(given):
        raise BadValue(f"{min(both)} is both set and unset", remedy="Leave one of them out.")
    if not given and not change.unset:
        raise BadValue("nothing is to be changed", remedy="Name a field and its value.")
    if "labels" in given:
        given["labels"] = {**vm.policy.labels, **given["labels"]}
    _refuse_contradictions(given, change.unset, vm.policy)
    written = given | {name: _NOTHING.get(name) for name in change.unset}
    return model.VmPolicy(**written, given=frozenset(written))


#: What stands for "nothing" where it is not None.
_NOTHING: Final[dict[str, Any]] = {"labels": {}, "affinity": (), "anti_affinity": ()}
_DEFAULTS: Final = {one.name: one.default for one in fields(model.VmPolicy)}


def _refuse_contradictions(
    given: dict[str, Any], unset: tuple[str, ...], policy: model.VmPolicy
) -> None:
    def then(name: str) -> Any:  # noqa: ANN401 - a field's own type
        if name in given:
            return given[name]
        # What a rule of the site says gives way to the VM's own promise, where they don't fit.
        holds = name in policy.given or name == "pause_max_s"
        return getattr(policy, name) if holds and name not in unset else _DEFAULTS[name]

    most_s, target_s, longer_s = (
        then(name) for name in ("pause_max_s", "pause_target_s", "pause_longer_s")
    )
    if target_s is not None and target_s > most_s:
        raise BadValue(
            f"downtime-target, {format_duration(target_s)}, is above downtime-max,"
            f" {format_duration(most_s)}",
            remedy="Lower the one, or raise the other.",
        )
    if longer_s is not None and longer_s < most_s:
        raise BadValue(
            f"longer-downtime, {format_duration(longer_s)}, is below downtime-max,"
            f" {format_duration(most_s)}",
            remedy="It is what is permitted beyond downtime-max: raise it, or leave it out.",
        )
