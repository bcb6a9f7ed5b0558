"""The errors of the lab. They hold a cause, the evidence and a remedy; nothing is handled here."""

from typing import ClassVar

from godwit.core.errors import GodwitError, InputError

__all__ = ["LabFailed", "LabMisused", "LabUnfit"]


class LabFailed(GodwitError):
    """Something that the lab did on this machine did not work."""

    code: ClassVar[str] = "lab_failed"


class LabMisused(InputError):
    """The lab was asked for something that it does not have, or at the wrong time."""

    code: ClassVar[str] = "lab_misused"


class LabUnfit(InputError):
    """This machine can't run the lab; the remedy names what is missing."""

    code: ClassVar[str] = "lab_unfit"
