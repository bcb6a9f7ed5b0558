"""Schema 3: every plan of several moves that is carried out is a run, not only drains."""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Give the table of the drains its new name; what stands in it stays as it is."""
    op.rename_table("drains", "runs")
