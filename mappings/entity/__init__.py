"""In: fields. Out: the entities by kind; everybody else imports them from `mappings.entities`."""
