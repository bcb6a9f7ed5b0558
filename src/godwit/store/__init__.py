"""What survives the controller, in SQLite: inventory, plans, runs, journal, and what was learnt.

One database file and one lock file in one directory. It implements the protocols of
``godwit.ports.keeping`` and judges nothing: what a row means is decided by the core.
"""

from godwit.store.database import Database
from godwit.store.journal import SqlJournal
from godwit.store.knowledge import SqlKnowledge
from godwit.store.ownership import Owner, Ownership, read_owner, take
from godwit.store.records import SqlStore

__all__ = [
    "Database",
    "Owner",
    "Ownership",
    "SqlJournal",
    "SqlKnowledge",
    "SqlStore",
    "read_owner",
    "take",
]
