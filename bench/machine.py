"""The machine that a benchmark ran on, without a name or a path of it."""

import os
import platform
from datetime import UTC, datetime

from godwit.core.units import format_bytes


def describe_machine() -> dict[str, str]:
    """Its cores, memory and kernel; the date, and the version of Python."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "machine": f"{os.cpu_count()} cores, {format_bytes(memory)}, Linux {platform.release()}",
        "python": platform.python_version(),
    }
