"""The answer to "where could this VM go?" on the wire: every host, every refusal."""

from godwit.core import plan as core
from godwit.wire.shape import Reply

__all__ = ["Candidate", "Choice", "Refusal", "choice_to_wire", "refusal_to_wire"]


class Refusal(Reply):
    """Why a rule does not let a VM go to a host, with the numbers, and what would change it."""

    rule: str
    why: str
    remedy: str


class Candidate(Reply):
    """One host as a destination. The loads are fractions of what the host has to give."""

    host: str
    fits: bool
    refusals: tuple[Refusal, ...]
    warnings: tuple[str, ...]
    memory_after: float
    cpu_after: float
    load_after: float


class Choice(Reply):
    """Every other host for one VM, the best first. ``best`` is None when it can't be moved."""

    vm: str
    vm_name: str
    source: str
    best: str | None
    vm_refusals: tuple[Refusal, ...]
    candidates: tuple[Candidate, ...]


def refusal_to_wire(refusal: core.Refusal) -> Refusal:
    """Convert a refusal."""
    return Refusal(rule=refusal.rule, why=refusal.why, remedy=refusal.remedy)


def choice_to_wire(choice: core.Choice) -> Choice:
    """Convert a choice with all its candidates, in their order."""
    return Choice(
        vm=choice.vm,
        vm_name=choice.vm_name,
        source=choice.source,
        best=choice.best.host if choice.best is not None else None,
        vm_refusals=tuple(refusal_to_wire(one) for one in choice.vm_refusals),
        candidates=tuple(_candidate(one) for one in choice.candidates),
    )


def _candidate(candidate: core.Candidate) -> Candidate:
    return Candidate(
        host=candidate.host,
        fits=candidate.fits,
        refusals=tuple(refusal_to_wire(one) for one in candidate.refusals),
        warnings=candidate.warnings,
        memory_after=candidate.memory_after,
        cpu_after=candidate.cpu_after,
        load_after=candidate.load_after,
    )
