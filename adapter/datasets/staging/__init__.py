"""In: the store and the settings. Out: the pseudonymised feed of a trial's consented subjects: the files that every dataset is made of, and what stays at the site."""
