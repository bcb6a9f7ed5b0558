"""Schema 1, the first: there is nothing to do, for who has it has all of it."""

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Do nothing."""
