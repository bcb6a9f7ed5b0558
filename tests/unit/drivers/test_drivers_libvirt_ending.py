"""The end of a process whose threads were in libvirt."""

import subprocess
import sys

PROGRAM = """
import atexit, threading, time
# What is registered first runs last: after the driver's own end, before the interpreter's.
atexit.register(
    lambda: print(sorted(one.name for one in threading.enumerate() if "libvirt" in one.name))
)
from godwit.drivers.libvirt.calls import leave, start_event_loop
start_event_loop()
leave(time.sleep, {seconds})
"""


def run(seconds: float) -> str:
    program = PROGRAM.format(seconds=seconds)
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=40, check=True
    )
    return ended.stdout.strip()


def test_no_thread_is_in_libvirt_when_the_interpreter_is_taken_down() -> None:
    assert run(0.3) == "[]"


def test_a_call_that_hangs_does_not_keep_the_process() -> None:
    assert run(3600) == "['libvirt-call']"
