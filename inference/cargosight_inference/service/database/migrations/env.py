"""Run by alembic: migrates over the connection that `migrate` hands in, inside its transaction."""

from alembic import context

from cargosight_inference.service.database.tables import METADATA

context.configure(connection=context.config.attributes["connection"], target_metadata=METADATA)
context.run_migrations()
