"""In: a text that may name resources (``Type/id``). Out: the same without their ids, for who may not know the hospital's."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["without_ids"]

#: A resource of FHIR as our own texts and addresses write it: types begin with a capital. What a server takes for an id may
#: hold more signs than R4 allows (datatypes.html#id), so all goes that could be part of one.
_REFERENCE: Final = re.compile(r"\b([A-Z][A-Za-z]{2,39})/[^\s,;()\[\]\"']+")


def without_ids(text: str) -> str:
    """A text in which each resource is named by its type alone.

    >>> without_ids("https://fhir.example.org/r4/Patient/123 refers to Organization/7")
    'https://fhir.example.org/r4/Patient refers to Organization'
    """
    return _REFERENCE.sub(r"\1", text)
