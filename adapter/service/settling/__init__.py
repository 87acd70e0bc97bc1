"""In: what a person has to settle: conflicts with the hospital, entries held or refused, proposals. Out: the same as a page, as JSON and for the command line; the side that was chosen, kept."""
