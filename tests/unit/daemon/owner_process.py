"""A command of its own for the tests: it takes the store, says so, and does what it is told.

Its controller does nothing, but says on standard output when it starts and closes.
"""

import sys
import time
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

from godwit.daemon import hosting
from godwit.daemon.embedded import embedded
from godwit.daemon.serve import run_server
from godwit.daemon.settings import Settings


def _say(text: str) -> None:
    print(text, flush=True)


def _fake_controller(*_: object, **__: object) -> SimpleNamespace:
    async def start() -> None:
        _say("started")

    async def close() -> None:
        _say("closed")

    return SimpleNamespace(start=start, close=close, is_busy=False)


def main() -> None:
    patch.object(hosting, "build_controller", _fake_controller).start()
    what, directory = sys.argv[1], Path(sys.argv[2])
    settings = Settings(state_directory=directory)
    if what == "serve":
        run_server(settings, Path(sys.argv[3]))
        _say("left")
        return
    try:
        with embedded(settings, wait_s=float(sys.argv[3])) as attachment:
            _say(f"attached {attachment.owned} {attachment.socket_path}")
            if what == "hold":
                time.sleep(60)
            attachment.wait_idle(_say)
    except KeyboardInterrupt:
        _say("interrupted")


if __name__ == "__main__":
    main()
