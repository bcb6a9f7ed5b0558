"""Schema 2: what was learnt of VMs and paths, the calibration, and the scores of forecasts."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the tables of what was learnt."""
    op.create_table(
        "vm_knowledge",
        sa.Column("vm", sa.Text, primary_key=True),
        sa.Column("updated_at_s", sa.Float, nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
    )
    op.create_table(
        "path_knowledge",
        sa.Column("source", sa.Text, primary_key=True),
        sa.Column("destination", sa.Text, primary_key=True),
        sa.Column("stream", sa.Text, primary_key=True),
        sa.Column("updated_at_s", sa.Float, nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
    )
    for table in ("vm_knowledge", "path_knowledge"):
        op.create_index(f"{table}_by_age", table, ["updated_at_s"])
    op.create_table(
        "calibration",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("payload", sa.Text, nullable=False),
    )
    op.create_table(
        "scores",
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("migration", sa.Text, nullable=False, unique=True),
        sa.Column("scored_at_s", sa.Float, nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
        sqlite_autoincrement=True,
    )
