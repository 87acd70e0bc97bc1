"""In: a patient's random key. Out: the file of that patient: verdict, picture, sources, the printed sheet; and what a person decides or attests, kept."""
