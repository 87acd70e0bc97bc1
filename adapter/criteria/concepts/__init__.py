"""In: a `Scene`. Out: prepared clinical concepts: laboratory readings, blood pressure, tumours, PRRT courses, disease status."""
