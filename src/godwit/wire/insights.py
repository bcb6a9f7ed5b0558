"""What was learnt, on the wire: of VMs, of paths between hosts, and how right forecasts were."""

from collections.abc import Iterable, Mapping, Sequence

from godwit.core import model
from godwit.core.precopy import Accuracy as CoreAccuracy
from godwit.core.precopy import fit_curve
from godwit.wire.hosts import Host
from godwit.wire.migrations import Migration
from godwit.wire.policies import Policy
from godwit.wire.shape import Reply
from godwit.wire.vms import Vm

__all__ = [
    "Accuracy",
    "AccuracyFigure",
    "Calibration",
    "DirtyObservation",
    "Estimate",
    "HostInsight",
    "Path",
    "VmInsight",
    "VmKnowledge",
    "Written",
    "accuracy_to_wire",
    "calibration_to_wire",
    "paths_to_wire",
    "vm_knowledge_to_wire",
]

#: Windows for which the curve of a VM is told.
_WINDOWS_S = (0.1, 1.0, 10.0)


class Estimate(Reply):
    """A learnt figure; ``spread_fraction`` is that of its logarithm over ``count`` cases."""

    value: float
    spread_fraction: float
    count: int
    updated_at_s: float


class DirtyObservation(Reply):
    """Memory written within a window. ``source`` is sampled (before a move) or copied (a round)."""

    window_s: float
    written_bytes: float
    source: str
    taken_at_s: float
    resolution_bytes: float


class Written(Reply):
    """A point of the curve: distinct memory written within a window, as the observations say."""

    window_s: float
    written_bytes: float


class VmKnowledge(Reply):
    """What was learnt of a VM. ``first_pass`` is its memory in use, in bytes as they are sent.

    ``again_wire`` is what a byte of its memory takes on the wire when xbzrle sends it again.
    """

    observations: tuple[DirtyObservation, ...]
    curve: tuple[Written, ...]
    first_pass: Estimate | None
    again_wire: Estimate | None
    migrations: int


class Path(Reply):
    """What moves over one path have shown: bytes per second, and fixed costs in seconds.

    ``first_bandwidth`` is that of first passes; ``wire`` is what a byte of memory takes on the wire
    when each page is compressed.
    """

    source: str
    destination: str
    stream: str
    bandwidth: Estimate | None
    setup: Estimate | None
    ending: Estimate | None
    pause_fixed: Estimate | None
    outage_extra: Estimate | None
    first_bandwidth: Estimate | None = None
    wire: Estimate | None = None


class Calibration(Reply):
    """How much wider the ranges are made than the model has them."""

    total_factor: float
    pause_factor: float
    outage_factor: float
    sent_factor: float
    count: int


class VmInsight(Reply):
    """All that decisions about a VM rest on. ``known`` is None when nothing was learnt yet."""

    taken_at_s: float
    vm: Vm
    policy: Policy
    known: VmKnowledge | None
    paths: tuple[Path, ...]
    calibration: Calibration
    migrations: tuple[Migration, ...]


class HostInsight(Reply):
    """All that decisions about a host rest on: its paths, and its VMs with where they could go."""

    taken_at_s: float
    host: Host
    paths: tuple[Path, ...]
    vms: tuple[Vm, ...]


class AccuracyFigure(Reply):
    """How right one figure was. Errors are fractions of the fact, or seconds: ``is_relative``."""

    name: str
    is_relative: bool
    count: int
    error_median: float | None
    error_p90: float | None
    coverage_fraction: float | None


class Accuracy(Reply):
    """Forecasts against facts, from this controller's own history.

    The last three judge "it will converge", said from a chance of half on.
    """

    count: int
    completed: int
    figures: tuple[AccuracyFigure, ...]
    coverage_fraction: float | None
    converge_right_fraction: float | None
    converge_precision_fraction: float | None
    converge_recall_fraction: float | None


def vm_knowledge_to_wire(known: model.VmKnowledge, vm: model.Vm, now_s: float) -> VmKnowledge:
    """Convert what was learnt of a VM, with the curve that its observations make."""
    used = known.first_pass.value if known.first_pass is not None else float(vm.memory_bytes)
    curve = fit_curve(known.observations, used, now_s)
    return VmKnowledge(
        observations=tuple(
            DirtyObservation(
                window_s=one.window_s,
                written_bytes=one.written_bytes,
                source=one.source.value,
                taken_at_s=one.taken_at_s,
                resolution_bytes=one.resolution_bytes,
            )
            for one in known.observations
        ),
        curve=tuple(
            Written(window_s=one, written_bytes=min(curve.written_bytes(one), vm.memory_bytes))
            for one in (_WINDOWS_S if curve.is_observed else ())
        ),
        first_pass=_estimate(known.first_pass),
        again_wire=_estimate(known.again_wire),
        migrations=known.migrations,
    )


def paths_to_wire(paths: Mapping[model.PathKey, model.PathKnowledge]) -> tuple[Path, ...]:
    """Convert paths, sorted by where they lead."""
    return tuple(
        Path(
            source=key.source,
            destination=key.destination,
            stream=key.stream,
            bandwidth=_estimate(known.bandwidth),
            setup=_estimate(known.setup),
            ending=_estimate(known.ending),
            pause_fixed=_estimate(known.pause_fixed),
            outage_extra=_estimate(known.outage_extra),
            first_bandwidth=_estimate(known.first_bandwidth),
            wire=_estimate(known.wire),
        )
        for key, known in sorted(
            paths.items(), key=lambda one: (one[0].source, one[0].destination, one[0].stream)
        )
    )


def _estimate(figure: model.Estimate | None) -> Estimate | None:
    if figure is None:
        return None
    return Estimate(
        value=figure.value,
        spread_fraction=figure.spread_fraction,
        count=figure.count,
        updated_at_s=figure.updated_at_s,
    )


def calibration_to_wire(calibration: model.Calibration) -> Calibration:
    """Convert the factors of the ranges."""
    return Calibration(
        total_factor=calibration.total_factor,
        pause_factor=calibration.pause_factor,
        outage_factor=calibration.outage_factor,
        sent_factor=calibration.sent_factor,
        count=calibration.count,
    )


def accuracy_to_wire(judged: CoreAccuracy, scores: Sequence[model.Score]) -> Accuracy:
    """Convert the judgement of ``scores``, with how many of them each figure rests on."""
    done = [one for one in scores if one.completed]

    def figure(name: str, facts: Iterable[float | None], *, is_relative: bool) -> AccuracyFigure:
        unit = "fraction" if is_relative else "s"
        coverage: float | None = getattr(judged, f"{name}_coverage_fraction")
        return AccuracyFigure(
            name=name,
            is_relative=is_relative,
            count=sum(one is not None for one in facts),
            error_median=getattr(judged, f"{name}_error_median_{unit}"),
            error_p90=getattr(judged, f"{name}_error_p90_{unit}"),
            coverage_fraction=coverage,
        )

    return Accuracy(
        count=judged.count,
        completed=len(done),
        figures=(
            figure("total", (one.total_s for one in done), is_relative=True),
            figure("sent", (one.sent_bytes for one in done), is_relative=True),
            figure("pause", (one.pause_s for one in done), is_relative=False),
            figure("outage", (one.outage_s for one in done), is_relative=False),
        ),
        coverage_fraction=judged.coverage_fraction,
        converge_right_fraction=judged.converge_right_fraction,
        converge_precision_fraction=judged.converge_precision_fraction,
        converge_recall_fraction=judged.converge_recall_fraction,
    )
