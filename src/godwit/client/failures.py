"""What httpx raises, as errors of ours. The one place where its exceptions are known."""

import httpx

from godwit.core.errors import BadValue, DriverError, GodwitError, OutcomeUnknown

__all__ = ["ControllerUnreachable", "error_from_httpx"]


class ControllerUnreachable(DriverError):
    """The controller did not answer. Of a reading nothing is lost; ask again."""

    code = "controller_unreachable"


def error_from_httpx(
    error: httpx.HTTPError | httpx.InvalidURL | httpx.StreamError, *, server: str, changes: bool
) -> GodwitError:
    """Convert an exception of httpx.

    ``changes`` says that the request would change something: when the answer to such a one is
    lost, it may have happened.
    """
    evidence = f"{server}: {str(error) or type(error).__name__}"
    if isinstance(error, httpx.InvalidURL | httpx.UnsupportedProtocol):
        return BadValue(
            f"{server!r} is not the address of a controller",
            evidence=str(error),
            remedy="Give the path of its socket, or its http URL.",
        )
    never_sent = isinstance(
        error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout | httpx.ProxyError
    )
    if never_sent:
        return ControllerUnreachable(
            "the controller can't be reached",
            evidence=evidence,
            remedy="Check that `godwit serve` runs there, and the address in --server or"
            " $GODWIT_SERVER.",
        )
    if changes:
        return OutcomeUnknown(
            "the controller's answer was lost; it may have done what was asked",
            evidence=evidence,
            remedy="See `godwit status` before asking again.",
        )
    return ControllerUnreachable(
        "the connection to the controller broke", evidence=evidence, remedy="Ask again."
    )
