"""In: a hospital's FHIR server. Out: the few patients who may fit the trial, why, and what is missing."""
