"""Says whether this Python is new enough, in words that every Python since 2.7 can read."""

import sys

WANTED = (3, 11)

if sys.version_info < WANTED:
    message = (
        "Python {}.{} or newer is needed, and {} is {}.{}.\n"
        "Install one (Debian 12 and 13 have it) and name it: make setup PYTHON=python3.11\n"
    )
    found = sys.version_info
    sys.stderr.write(message.format(WANTED[0], WANTED[1], sys.executable, found[0], found[1]))
    sys.exit(1)
