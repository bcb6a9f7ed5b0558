"""The policy of a VM: each field, its value, and who says so."""

from typing import Final

from godwit import wire
from godwit.cli.forecast_words import limit_words
from godwit.cli.screen import Screen

__all__ = ["FIELD_NAMES", "origin_words", "policy_value", "show_policy", "show_policy_change"]

#: What people call the fields, which is also the name of the option that sets one.
FIELD_NAMES: Final = {
    "pause_max_s": "downtime-max",
    "pause_target_s": "downtime-target",
    "pause_longer_s": "longer-downtime",
    "deadline_s": "deadline",
    "may_throttle": "throttle",
    "may_postcopy": "postcopy",
    "priority": "priority",
    "labels": "labels",
    "affinity": "affinity",
    "anti_affinity": "anti-affinity",
    "probe": "probe",
}

_UNSET: Final = {
    "pause_target_s": "as short as can be",
    "pause_longer_s": "never",
    "deadline_s": "none",
    "probe": "an address that the host knows",
}


def policy_value(field: wire.PolicyField) -> str:
    """Write the value of a field."""
    value = field.value
    if value is None:
        return _UNSET.get(field.name, "none")
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        value = tuple(f"{key}={one}" for key, one in value.items())
    if isinstance(value, tuple):
        return ", ".join(value) or "none"
    if isinstance(value, int | float):
        return limit_words(value) if field.name.endswith("_s") else f"{value:g}"
    return value


def origin_words(field: wire.PolicyField) -> str:
    """Say who sets a field."""
    if field.origin == "vm":
        return "the VM's metadata"
    if field.origin == "rule":
        return f"[[policy]] {field.rule} of godwit.toml"
    return "default"


def show_policy(screen: Screen, policy: wire.Policy) -> None:
    """Print what holds for a VM."""
    screen.line(f"{policy.vm_name} on {policy.host}", style="bold")
    rows = [
        (FIELD_NAMES.get(one.name, one.name), policy_value(one), origin_words(one))
        for one in policy.fields
    ]
    screen.table(("POLICY", "VALUE", "FROM"), rows)


def show_policy_change(screen: Screen, changed: wire.PolicyChanged) -> None:
    """Print what is not as it was before."""
    after = {one.name: one for one in changed.after.fields}
    rows = [
        (
            FIELD_NAMES.get(one.name, one.name),
            policy_value(one),
            policy_value(after[one.name]),
            origin_words(after[one.name]),
        )
        for one in changed.before.fields
        if one.name in after and one != after[one.name]
    ]
    if not rows:
        screen.line(f"{changed.after.vm_name}: this is what held before; nothing has changed.")
        return
    screen.line(f"{changed.after.vm_name} on {changed.after.host}", style="bold")
    screen.table(("POLICY", "BEFORE", "NOW", "FROM"), rows)
