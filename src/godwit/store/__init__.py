"""What survives the controller: the inventory, the plans, the drains and the journal, in SQLite.

One database file and one lock file in one directory. It implements ``Store`` and ``Journal`` of
``godwit.ports`` and judges nothing: what a row means is decided by the core.
"""

from godwit.store.database import Database
from godwit.store.journal import SqlJournal
from godwit.store.ownership import Owner, Ownership, read_owner, take
from godwit.store.records import SqlStore

__all__ = ["Database", "Owner", "Ownership", "SqlJournal", "SqlStore", "read_owner", "take"]
