"""Errors on the terminal: the cause, the evidence for it, and what helps."""

import json
import sys

from godwit.cli.folding import fold_for_errors
from godwit.core.errors import GodwitError
from godwit.wire import exit_status_of

__all__ = ["print_failure"]


def print_failure(error: GodwitError, *, as_json: bool) -> int:
    """Print an error to the error stream and return its exit status."""
    status = exit_status_of(error)
    if as_json:
        text = json.dumps(
            {
                "error": {
                    "code": error.code,
                    "message": error.message,
                    "evidence": error.evidence,
                    "remedy": error.remedy,
                    "exit_status": int(status),
                }
            }
        )
    else:
        lines = [f"Error: {error.message}"]
        if error.evidence:
            lines.append(f"Evidence: {error.evidence}")
        if error.remedy:
            lines.append(f"Remedy: {error.remedy}")
        text = "\n".join(fold_for_errors(line) for line in lines)
    print(text, file=sys.stderr)
    return int(status)
