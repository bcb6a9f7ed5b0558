"""From an older schema to the one of today, one step after the other, by Alembic.

It is imported only for a database that is older: Alembic takes longer to load than most commands
take to run. The revision of a schema is its version with leading zeroes. Everything happens inside
the transaction of the caller, so that an upgrade that is cut off leaves the old database whole.
"""

from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection

from godwit.core.errors import Bug

__all__ = ["upgrade"]

#: Where the steps lie. A percent sign would be read as a reference by the configuration.
_FOLDER: Final = str(Path(__file__).parent).replace("%", "%%")


def upgrade(connection: Connection, *, found: int, wanted: int) -> None:
    """Bring a database of schema ``found`` to ``wanted``. Raises: Bug when there is no such way."""
    config = Config()
    config.set_main_option("script_location", _FOLDER)
    config.attributes["connection"] = connection
    try:
        if found == 1:
            # Those databases were made before Alembic was there to note the revision in them.
            command.stamp(config, _revision_of(found))
        command.upgrade(config, _revision_of(wanted))
    except CommandError as failure:
        raise Bug(
            f"there is no way from schema {found} to {wanted}", evidence=str(failure)
        ) from failure


def _revision_of(version: int) -> str:
    """Say by which name Alembic knows a version of the schema."""
    return f"{version:04}"
