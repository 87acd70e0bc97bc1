"""In: the store, a trial, a site. Out: the subjects of whom data may leave, each with consent, history and number; who is not, counted."""
