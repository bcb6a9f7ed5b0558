"""The settings: one folder of state and one optional TOML file, read once, checked whole.

Environment variables only say where they are. Nothing here is global: settings are passed on.
Policies of single VMs travel with the VM and are not kept here.
"""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    Field,
    ValidationError,
    model_validator,
)

from godwit.core.errors import BadSettings
from godwit.core.planner import Weights
from godwit.core.rules.groups import GroupRule
from godwit.core.rules.policies import PolicyRule
from godwit.core.rules.selecting import DeclaredRule
from godwit.daemon.network_settings import (
    ForwardingPart,
    ForwardingSettings,
    RecordPart,
    RecordSettings,
)
from godwit.daemon.parts import STRICT, duration
from godwit.daemon.planner_settings import PlannerPart
from godwit.daemon.rule_settings import RulePart, declared_rule

__all__ = ["Settings", "load_settings", "state_directory"]

_STATE_VARIABLE: Final = "GODWIT_STATE"
_FILE_VARIABLE: Final = "GODWIT_SETTINGS"
_FILE: Final = "godwit.toml"
#: Somebody may write the secret itself where its file is meant; a URL may have a password.
_NEVER_SHOWN: Final = frozenset({"secret_file", "url"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings. ``file`` is where they were read from; None: there is no file, all defaults.

    ``probe_interval_s`` is how often a guest is asked around its switch-over: the finest outage
    that Godwit itself can tell. ``group_rules`` put VMs into groups by patterns of their names;
    ``policy_rules`` set what the metadata of a VM leaves open, the first that says it.
    ``site_rules`` say where VMs may be and how they may move. ``records`` are kept true while VMs
    move; ``forwarding`` is how the network's tables are read, if at all. ``measure_windows_s`` are
    for how long a VM is watched before a plan, one after the other; the
    measuring for one plan takes no longer than ``measure_budget_s``. ``weights`` say what a plan is
    worth.
    """

    state_directory: Path
    file: Path | None = None
    probe_interval_s: float = 0.02
    group_rules: tuple[GroupRule, ...] = ()
    policy_rules: tuple[PolicyRule, ...] = ()
    site_rules: tuple[DeclaredRule, ...] = ()
    records: tuple[RecordSettings, ...] = ()
    forwarding: ForwardingSettings | None = None
    measure_windows_s: tuple[float, ...] = (1.0, 2.0)
    measure_budget_s: float = 10.0
    measure_per_host: int = 2
    weights: Weights = field(default_factory=Weights)


class _Part(BaseModel):
    model_config = STRICT


class _Probe(_Part):
    interval: Annotated[float, BeforeValidator(duration), Field(ge=0.002, le=10)] = 0.02


class _Group(_Part):
    name: Annotated[str, Field(min_length=1)]
    together: bool
    vms: Annotated[list[Annotated[str, Field(min_length=1)]], Field(min_length=1)]


_Span = Annotated[float, BeforeValidator(duration), Field(gt=0, allow_inf_nan=False)] | None


class _Policy(_Part):
    names: list[Annotated[str, Field(min_length=1)]] = []
    labels: dict[str, str] = {}
    downtime_max: _Span = None
    downtime_target: _Span = None
    longer_downtime: _Span = None
    deadline: _Span = None
    throttle: bool | None = None
    postcopy: bool | None = None
    priority: int | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        most = self.downtime_max
        if most is not None and self.downtime_target is not None and self.downtime_target > most:
            msg = "downtime_target is above downtime_max"
            raise ValueError(msg)
        if most is not None and self.longer_downtime is not None and self.longer_downtime < most:
            msg = "longer_downtime is below downtime_max"
            raise ValueError(msg)
        if not self.rule().wishes:
            msg = "it sets nothing"
            raise ValueError(msg)
        return self

    def rule(self) -> PolicyRule:
        return PolicyRule(
            patterns=tuple(self.names),
            labels=self.labels,
            pause_max_s=self.downtime_max,
            pause_target_s=self.downtime_target,
            pause_longer_s=self.longer_downtime,
            deadline_s=self.deadline,
            may_throttle=self.throttle,
            may_postcopy=self.postcopy,
            priority=self.priority,
        )


_Window = Annotated[float, BeforeValidator(duration), Field(ge=1, le=60, multiple_of=1)]


class _Measure(_Part):
    windows: Annotated[list[_Window], Field(max_length=4)] = [1.0, 2.0]
    budget: Annotated[float, BeforeValidator(duration), Field(ge=0, le=600)] = 10.0
    per_host: Annotated[int, Field(ge=1, le=64)] = 2


class _File(_Part):
    probe: _Probe = _Probe()
    group: list[_Group] = []
    policy: list[_Policy] = []
    rule: list[RulePart] = []
    record: list[RecordPart] = []
    forwarding: ForwardingPart | None = None
    measure: _Measure = _Measure()
    planner: PlannerPart = PlannerPart()


def state_directory(environment: Mapping[str, str]) -> Path:
    """Say where the state lies: where GODWIT_STATE says, else the usual place of this user."""
    if named := environment.get(_STATE_VARIABLE):
        return Path(named).expanduser().absolute()
    if os.geteuid() == 0:
        return Path("/var/lib/godwit")
    home = environment.get("XDG_STATE_HOME")
    return (Path(home) if home else Path.home() / ".local" / "state") / "godwit"


def load_settings(environment: Mapping[str, str]) -> Settings:
    """Read the settings file, if there is one.

    Raises: BadSettings naming the file and the key; then nothing of it is applied.
    """
    directory = state_directory(environment)
    named = environment.get(_FILE_VARIABLE)
    path = Path(named).expanduser().absolute() if named else directory / _FILE
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as failure:
        if not named:
            return Settings(state_directory=directory)
        raise BadSettings(
            f"the settings file {path} does not exist",
            remedy=f"Make it, or unset {_FILE_VARIABLE}.",
        ) from failure
    except (OSError, UnicodeDecodeError) as failure:
        raise BadSettings(
            f"the settings file {path} can't be read",
            evidence=str(failure),
            remedy="Make it a text file that this user may read, or remove it: all has a default.",
        ) from failure
    found = _parse(text, path)
    rules = tuple(
        GroupRule(name=one.name, together=one.together, patterns=tuple(one.vms))
        for one in found.group
    )
    _refuse_twice("group", [rule.name for rule in rules], path)
    _refuse_twice("rule", [one.name for one in found.rule], path)
    _refuse_twice("record", [one.name for one in found.record], path)
    return Settings(
        state_directory=directory,
        file=path,
        probe_interval_s=found.probe.interval,
        group_rules=rules,
        policy_rules=tuple(one.rule() for one in found.policy),
        site_rules=tuple(declared_rule(one, at) for at, one in enumerate(found.rule, start=1)),
        measure_windows_s=tuple(found.measure.windows),
        measure_budget_s=found.measure.budget,
        measure_per_host=found.measure.per_host,
        weights=found.planner.weights(),
        records=tuple(one.settings() for one in found.record),
        forwarding=found.forwarding.settings() if found.forwarding is not None else None,
    )


def _parse(text: str, path: Path) -> _File:
    try:
        return _File.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as failure:
        raise BadSettings(
            f"{path} is not TOML",
            evidence=str(failure),
            remedy="Correct it there: as long as it is wrong, nothing of it is applied.",
        ) from failure
    except ValidationError as failure:
        errors = failure.errors(include_url=False)
        raise BadSettings(
            f"{path} can't be used",
            evidence="; ".join(_complaint(dict(error)) for error in errors),
            remedy="Correct it: as long as it is wrong, nothing of it is applied.",
        ) from failure


def _complaint(error: Mapping[str, Any]) -> str:
    where = ""
    for place, part in enumerate(error["loc"]):
        # The kind of a record or rule, by which pydantic tells them apart, is no part of the place.
        if place == 2 and error["loc"][0] in {"record", "rule"}:
            continue
        where += f"[{part}]" if isinstance(part, int) else f".{part}" if where else part
    if error["type"] == "extra_forbidden":
        return f"{where}: there is no such setting"
    if error["type"] == "missing":
        return f"{where}: is missing"
    if error["type"] == "model_type":
        return f"{where}: it is a table of its own, not {error['input']!r}"
    says = str(error["msg"]).removeprefix("Value error, ")
    # A whole part is not repeated: what it says is about several of its keys. Nor is what may be a
    # secret, or hold one.
    given = repr(error["input"])
    is_known = isinstance(error["input"], dict) or given in says
    if is_known or error["loc"][-1] in _NEVER_SHOWN:
        return f"{where}: {says}"
    return f"{where}: {says}, not {given}"


def _refuse_twice(part: str, names: list[str], path: Path) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise BadSettings(
            f"{path} can't be used",
            evidence=f"{part}: the name {twice[0]!r} is used more than once",
            remedy=f"Give every {part} a name of its own.",
        )
