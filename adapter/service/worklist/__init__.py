"""In: what a reader asks of the worklist. Out: its rows, as a page, CSV and JSON; a patient found, or put on the list, by a number."""
