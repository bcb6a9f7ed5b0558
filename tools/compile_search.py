"""Compiles the planner's search, which is kept beside its source: the first plan need not wait."""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from godwit.core.planner import levelling, packing


def main() -> None:
    """Compile what levels hosts, and what packs those that are nearly full."""
    started_s = time.perf_counter()
    print("compiling the planner's search: half a minute to two, once", flush=True)
    levelling.prepare()
    packing.prepare()
    print(f"compiled in {time.perf_counter() - started_s:.0f} s", flush=True)


if __name__ == "__main__":
    main()
