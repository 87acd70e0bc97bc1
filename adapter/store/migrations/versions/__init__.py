"""In: the tables of one release. Out: those of the next; one file a step."""
