"""In: a connection handed over by the state. Out: the migrations run on it (Alembic's entry point)."""

from __future__ import annotations

from alembic import context

from adapter.store import account_models, card_models, digest_models, listing_models, provider_models
from adapter.store.models import Base

#: Imported for their tables.
_ALL = (account_models, card_models, digest_models, listing_models, provider_models)


def run() -> None:
    """Run the migrations on the connection of the caller; there is no offline mode."""
    connection = context.config.attributes["connection"]
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        # SQLite cannot alter a column: Alembic then copies the table.
        render_as_batch=True,
    )
    with context.begin_transaction():
        context.run_migrations()


# Alembic executes this file; whoever only imports it (a test collector) has no migration under way.
if hasattr(context, "config"):
    run()
