"""Alembic's entry: runs inside Posebank's own connection, or alone on POSEBANK_DATABASE_URL."""

from alembic import context

from index.home import Home
from index.store.database import writing
from index.store.tables import metadata

connection = context.config.attributes.get("connection")
if connection is not None:
    context.configure(connection=connection, target_metadata=metadata)
    context.run_migrations()
else:
    with writing(Home.open()) as connection:
        context.configure(connection=connection, target_metadata=metadata)
        context.run_migrations()
