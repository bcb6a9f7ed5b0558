"""The tables, and the triggers that keep the journal append-only.

Columns beside ``payload`` repeat what listings and look-ups need; the payload is the value itself.
No query stands here.
"""

from typing import Final

from sqlalchemy import (
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
)

__all__ = [
    "GENERATION",
    "METADATA",
    "SCHEMA_VERSION",
    "TRIGGERS",
    "VERSION",
    "calibration",
    "hosts",
    "journal",
    "meta",
    "migrations",
    "path_knowledge",
    "plans",
    "revisions",
    "runs",
    "scores",
    "vm_knowledge",
]

#: Grows with every change of the tables; each has its step in ``upgrades``.
SCHEMA_VERSION: Final = 3

#: The keys of ``meta``.
VERSION: Final = "schema_version"
GENERATION: Final = "cluster_generation"

METADATA: Final = MetaData()

meta: Final = Table(
    "meta",
    METADATA,
    Column("key", Text, primary_key=True),
    Column("value", Integer, nullable=False),
)

#: Alembic's own note of the schema, in its own words.
revisions: Final = Table(
    "alembic_version",
    METADATA,
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)

hosts: Final = Table(
    "hosts",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("payload", Text, nullable=False),
)

plans: Final = Table(
    "plans",
    METADATA,
    # Ids are random; the number keeps the order in which plans were made.
    Column("number", Integer, primary_key=True),
    Column("id", Text, nullable=False, unique=True),
    Column("kind", Text, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("made_at_s", Float, nullable=False),
    Column("payload", Text, nullable=False),
    sqlite_autoincrement=True,
)

runs: Final = Table(
    "runs",
    METADATA,
    Column("number", Integer, primary_key=True),
    Column("id", Text, nullable=False, unique=True),
    Column("plan", Text, ForeignKey("plans.id"), nullable=False),
    Column("payload", Text, nullable=False),
    sqlite_autoincrement=True,
)

migrations: Final = Table(
    "migrations",
    METADATA,
    Column("number", Integer, primary_key=True),
    Column("id", Text, nullable=False, unique=True),
    # No foreign key: the birth of a migration is never refused for the sake of a listing.
    Column("plan", Text, nullable=False),
    Column("vm_name", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("destination", Text, nullable=False),
    Column("accepted_at_s", Float, nullable=False),
    Column("ended", Boolean, nullable=False, default=False),
    Index("migrations_by_plan", "plan"),
    Index("migrations_by_ended", "ended"),
    sqlite_autoincrement=True,
)

journal: Final = Table(
    "journal",
    METADATA,
    Column("seq", Integer, primary_key=True),
    Column("migration", Text, ForeignKey("migrations.id"), nullable=False),
    # Counts the events of one migration like ``Migration.generation``: its birth is 1.
    Column("generation", Integer, nullable=False),
    Column("at_s", Float, nullable=False),
    Column("kind", Text, nullable=False),
    Column("payload", Text, nullable=False),
    UniqueConstraint("migration", "generation"),
    sqlite_autoincrement=True,
)

vm_knowledge: Final = Table(
    "vm_knowledge",
    METADATA,
    Column("vm", Text, primary_key=True),
    Column("updated_at_s", Float, nullable=False),
    Column("payload", Text, nullable=False),
    Index("vm_knowledge_by_age", "updated_at_s"),
)

path_knowledge: Final = Table(
    "path_knowledge",
    METADATA,
    Column("source", Text, primary_key=True),
    Column("destination", Text, primary_key=True),
    Column("stream", Text, primary_key=True),
    Column("updated_at_s", Float, nullable=False),
    Column("payload", Text, nullable=False),
    Index("path_knowledge_by_age", "updated_at_s"),
)

#: One row.
calibration: Final = Table(
    "calibration",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("payload", Text, nullable=False),
)

scores: Final = Table(
    "scores",
    METADATA,
    Column("number", Integer, primary_key=True),
    Column("migration", Text, nullable=False, unique=True),
    Column("scored_at_s", Float, nullable=False),
    Column("payload", Text, nullable=False),
    sqlite_autoincrement=True,
)

#: SQLite has no rights of its own: only a trigger can refuse a change for everybody, also for a
#: person with a shell. The one on INSERT stops INSERT OR REPLACE, which deletes without asking the
#: trigger on DELETE, and keeps the events of a migration without a gap.
TRIGGERS: Final = (
    """
    CREATE TRIGGER journal_refuses_update BEFORE UPDATE ON journal
    BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END
    """,
    """
    CREATE TRIGGER journal_refuses_delete BEFORE DELETE ON journal
    BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END
    """,
    """
    CREATE TRIGGER journal_refuses_gaps BEFORE INSERT ON journal
    WHEN EXISTS (SELECT 1 FROM journal WHERE seq = NEW.seq)
        OR NEW.generation <> (
            SELECT 1 + coalesce(max(generation), 0) FROM journal WHERE migration = NEW.migration
        )
    BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END
    """,
)
