"""Writes docs/openapi.json from the routes; with --check says whether it is stale.

The document is a promise to clients: it is checked in so that a change of it is seen in review.
"""

import argparse
import json
import sys
from pathlib import Path

from godwit.api import openapi_document

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "openapi.json"


def render() -> str:
    """Return the document as text, the same for the same routes."""
    return json.dumps(openapi_document(), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def main() -> int:
    """Write the document, or check it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="only say whether it is stale")
    text = render()
    if parser.parse_args().check:
        if not DOCUMENT.exists() or DOCUMENT.read_text() != text:
            print(f"{DOCUMENT.name} is stale: run python tools/make_openapi.py", file=sys.stderr)
            return 1
        return 0
    DOCUMENT.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
