"""What Alembic runs around the steps: over the connection, and in the transaction, of the caller.

It begins and ends none of its own: SQLite undoes changes of the schema like all others.
"""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
context.run_migrations()
