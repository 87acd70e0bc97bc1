"""In: nothing. Out: the allow-list documents of ``mappings/pseudonymisation``, read once: rules by resource type, and the code tables."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

from adapter.datasets.pseudonymising.codes import CodeTables, parse_code_tables
from adapter.datasets.pseudonymising.rules import TypeRules, parse_type_rules
from adapter.documents import read_documents
from adapter.errors import DocumentError

__all__ = ["Profile", "load_profile"]

_FOLDER = "pseudonymisation"


class Profile(NamedTuple):
    """What may leave a site."""

    types: Mapping[str, TypeRules]
    tables: CodeTables


@lru_cache(maxsize=1)
def load_profile() -> Profile:
    """The documents.

    Raises:
        DocumentError: one is wrong, or stands under another name than its type's.
    """
    types: dict[str, TypeRules] = {}
    tables: CodeTables | None = None
    for name, document in read_documents(_FOLDER).items():
        if name == f"{_FOLDER}/codes.yaml":
            tables = parse_code_tables(document)
            continue
        rules = parse_type_rules(document)
        if name != f"{_FOLDER}/{rules.type}.yaml":
            raise document["type"].fault("is another one than the document's name")
        types[rules.type] = rules
    if tables is None:
        raise DocumentError(f"{_FOLDER}/codes.yaml", "", "is missing")
    return Profile(types, tables)
