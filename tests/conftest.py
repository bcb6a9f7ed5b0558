"""What holds for all tests.

A shell starts what runs in the background with SIGINT ignored, and nohup ignores SIGHUP; both are
inherited, so that a test which interrupts a command would wait for ever.
"""

import signal

signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
