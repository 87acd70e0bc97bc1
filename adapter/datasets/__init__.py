"""In: what a site's store holds of a trial's subjects. Out: pseudonymised, standardised datasets, each cell with its source."""
