"""What a migration came to: what was measured, and by whom."""

from dataclasses import dataclass

__all__ = ["Result"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The measured end of a migration. None means not measured, never zero.

    ``pause_s`` is the time the vCPUs stood still as the hypervisors report it. ``outage_s`` is the
    longest time without an answer from the guest that Godwit's own probe saw around the
    switch-over; ``outage_resolution_s`` is how finely it looked. ``answers`` is None when the
    guest's address is not known or can't be reached from the controller. ``outage_causes`` says
    what the outage consisted of, as far as it is known. ``forwarding`` is what the forwarding
    tables said of the new place; empty where nobody can read them.
    """

    pause_s: float | None = None
    outage_s: float | None = None
    outage_resolution_s: float | None = None
    answers: bool | None = None
    total_s: float | None = None
    transferred_bytes: int | None = None
    rounds: int = 0
    announced_again: bool = False
    notes: tuple[str, ...] = ()
    outage_causes: tuple[str, ...] = ()
    forwarding: str = ""
