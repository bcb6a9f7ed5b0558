"""Goal: every number of the core says its unit in its name, in one base unit per dimension.

Bytes, seconds, bytes per second, cores, fractions. What has no unit stands below, with the reason.
"""

import dataclasses
import importlib
import inspect
import pkgutil
import re
import types
import typing

import pytest

import godwit.core

_UNIT = re.compile(r"(^|_)(bytes|s|bytes_per_s|cores|fraction)(_(min|max|mean|total|p99))?$")

_COUNT = "a count has no unit"
_NUMBER = "an ordinal has no unit"
_POINTS = "a weight: points of the objective"
_FACTOR = "a factor on a logarithmic width"
_CHANCE = "a probability, from 0 to 1"
_OWNER = "the unit is that of the field that holds it"
_COST = "in the unit of the cost, which is a matter of the weights"
_PLACE = "the number of a thing in its list"
_POINTS = "in points of the objective"
_TERM = "in the unit of what the term counts"
_FRACTION = "a fraction of what the host has, and said so by the class"
#: ``Class.field`` -> why it has no unit. An entry that is no longer needed fails the test.
UNITLESS = {
    "Accepted.attempt": _NUMBER,
    "Accuracy.count": _COUNT,
    "Available.least": _COUNT,
    "Breach.amount": "what the rule counts: VMs, label values, or a fraction of a host",
    "Breach.price": _POINTS,
    "Calibration.count": _COUNT,
    "Calibration.outage_factor": _FACTOR,
    "Calibration.pause_factor": _FACTOR,
    "Calibration.sent_factor": _FACTOR,
    "Calibration.total_factor": _FACTOR,
    "Candidate.cpu_after": _FRACTION,
    "Candidate.memory_after": _FRACTION,
    "Cluster.generation": _NUMBER,
    "Course.rounds": _COUNT,
    "Estimate.count": _COUNT,
    "Estimate.value": _OWNER,
    "Forecast.converges": _CHANCE,
    "Change.by": "what the rule counts, as in Breach.amount",
    "Forecast.keeps_promise": _CHANCE,
    "ForecastInputs.vcpus": _COUNT,
    "HostRecord.cores_overcommit": "a ratio: vCPUs for each core",
    "InFlight.most": _COUNT,
    "HostVersions.libvirt": "a version in libvirt's own numbering",
    "HostVersions.qemu": "a version in libvirt's own numbering",
    "Known.count": _COUNT,
    "Known.value": _OWNER,
    "Migration.attempt": _NUMBER,
    "Migration.generation": _NUMBER,
    "Migration.resume_attempts": _COUNT,
    "Move.vcpus": _COUNT,
    "NumaCell.number": _NUMBER,
    "Pages.count": _COUNT,
    "Plan.generation": _NUMBER,
    "Plan.parallel": _COUNT,
    "Probe.tcp_port": "a port",
    "Progress.iteration": _NUMBER,
    "Progress.postcopy_requests": _COUNT,
    "Range.high": _OWNER,
    "Range.likely": _OWNER,
    "Range.low": _OWNER,
    "Recipe.channels": _COUNT,
    "Reservation.vcpus": _COUNT,
    "Result.rounds": _COUNT,
    "ResumeOrdered.attempt": _NUMBER,
    "Round.number": _NUMBER,
    "Rule.price": _POINTS,
    "Score.rounds": _COUNT,
    "Spread.least_values": _COUNT,
    "Spread.most_skew": _COUNT,
    "Vm.vcpus": _COUNT,
    "VmKnowledge.migrations": _COUNT,
    "VmPolicy.priority": "an order among VMs",
    "Flow.priority": "an order among VMs",
    "PolicyRule.priority": "an order among VMs",
    "Best.at_once": _COUNT,
    "Best.tries": _COUNT,
    "Copying.move": _PLACE,
    "Copying.rank": _NUMBER,
    "Dropped.mover": _PLACE,
    "FlightGroup.most": _COUNT,
    "Group.cost": _POINTS,
    "Group.most": _COUNT,
    "Leg.destination": _PLACE,
    "Leg.mover": _PLACE,
    "Leg.source": _PLACE,
    "Limits.per_host": _COUNT,
    "Limits.per_link": _COUNT,
    "Limits.whole": _COUNT,
    "Mover.destination": _PLACE,
    "Mover.number": _PLACE,
    "Mover.priority": "an order among VMs",
    "Mover.source": _PLACE,
    "Search.seed": "chance has no unit",
    "Search.states": _COUNT,
    "Search.tries": _COUNT,
    "Stay.vcpus": _COUNT,
    "TimedMove.priority": "an order among VMs",
    "TimedMove.vcpus": _COUNT,
    "TimedPlan.generation": _NUMBER,
    "TimedPlan.tries": _COUNT,
    "Violation.found": "the unit is that of what is limited",
    "Violation.limit": "the unit is that of what is limited",
    "Wanted.priority": "an order among VMs",
    "Amounts.broken": _TERM,
    "Amounts.hot_cpu": _TERM,
    "Amounts.hot_memory": _TERM,
    "Amounts.imbalance_cpu": _TERM,
    "Amounts.imbalance_memory": _TERM,
    "Amounts.price": _TERM,
    "Amounts.spare": _TERM,
    "Brief.hosts_least": _COUNT,
    "Consolidate.hosts_least": _COUNT,
    "Instead.gain": _POINTS,
    "LevelMove.gain": _POINTS,
    "LevelMove.item": _PLACE,
    "LevelMove.place": _PLACE,
    "LevelMove.source": _PLACE,
    "Levelled.cost_after": _POINTS,
    "Levelled.cost_before": _POINTS,
    "Levelled.evaluations": _COUNT,
    "Load.points": _POINTS,
    "MovePrice.points": _POINTS,
    "RuleAmount.amount": "what the rule counts, as in Breach.amount",
    "RuleAmount.price": _POINTS,
    "Site.load_scale": "a factor has no unit",
    "Site.soft_scale": "a factor has no unit",
    "_Wish.points": _POINTS,
    "Ordered.bundle": _PLACE,
    "Ordered.host": _PLACE,
    "Ordered.gain_points": _POINTS,
    "PlanSettings.moves_most": _COUNT,
    "PlanSettings.parallel": _COUNT,
    "PlanSettings.steps": _COUNT,
    "Term.points": _POINTS,
    "Term.after": _TERM,
    "Term.before": _TERM,
    "Term.bound": _TERM,
    "Weights.churn": _POINTS,
    "Weights.hot_cpu": _POINTS,
    "Weights.hot_memory": _POINTS,
    "Weights.imbalance_cpu": _POINTS,
    "Weights.imbalance_memory": _POINTS,
    "Weights.move_gib": _POINTS,
    "Weights.move_hour": _POINTS,
    "Weights.pause_risk": _POINTS,
    "Weights.spare": _POINTS,
    "Weights.unmet": _POINTS,
    "_Node.detours": _COUNT,
    "_Sought.looked": _COUNT,
}


def _classes() -> dict[str, type]:
    found: dict[str, type] = {}
    prefix = godwit.core.__name__ + "."
    for module in pkgutil.walk_packages(godwit.core.__path__, prefix):
        for value in vars(importlib.import_module(module.name)).values():
            if isinstance(value, type) and dataclasses.is_dataclass(value):
                found[value.__name__] = value
    return found


def _is_number(annotation: object) -> bool:
    if typing.get_origin(annotation) in {types.UnionType, typing.Union}:
        return any(_is_number(one) for one in typing.get_args(annotation))
    return annotation in {int, float}


def _own(kind: type, field: str) -> bool:
    """Whether the class itself has the field: one that is inherited is looked at where it is."""
    return field in inspect.get_annotations(kind)


def _numbers() -> list[str]:
    return [
        f"{name}.{field}"
        for name, kind in sorted(_classes().items())
        for field, annotation in typing.get_type_hints(kind).items()
        if _is_number(annotation) and _own(kind, field)
    ]


def test_the_core_was_looked_at() -> None:
    assert {"Host", "Vm", "Plan", "Migration", "Round"} <= set(_classes())
    assert "Progress.elapsed_s" in _numbers()


@pytest.mark.parametrize("number", _numbers())
def test_a_number_ends_in_its_unit(number: str) -> None:
    unit_is_said = bool(_UNIT.search(number.split(".")[1]))
    assert unit_is_said or number in UNITLESS, (
        f"{number}: put its unit last, or say why it has none"
    )


def test_no_exception_is_left_over() -> None:
    needed = {one for one in _numbers() if not _UNIT.search(one.split(".")[1])}
    assert set(UNITLESS) <= needed
