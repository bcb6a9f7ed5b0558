"""What ids look like, where a command takes an id or a name."""

import re
from typing import Final

__all__ = ["RUN_ID"]

#: Runs of earlier versions, which were all drains, have a d in front.
RUN_ID: Final = re.compile("[rd]-[0-9a-f]{6}")
