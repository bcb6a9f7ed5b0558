"""What holds for all tests.

A shell starts what runs in the background with SIGINT ignored, and nohup ignores SIGHUP; both are
inherited, so that a test which interrupts a command would wait for ever. Hypothesis has no time
limit for one example, as machines are of any speed, and always prints how to repeat a failure.
"""

import signal

from hypothesis import settings

signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

settings.register_profile("godwit", deadline=None, print_blob=True)
settings.load_profile("godwit")
