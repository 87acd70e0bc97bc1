"""In: a state database of any release so far. Out: the tables of this one (Alembic)."""
