"""In: nothing. Out: documents that say what things mean: trials, terminology, words; read through `adapter.documents`."""
