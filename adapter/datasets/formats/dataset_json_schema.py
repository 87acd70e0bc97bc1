"""In: nothing. Out: what a Dataset-JSON 1.1 file must look like, as JSON Schemas of our own.

Written from what the specification says of each attribute (CDISC Dataset-JSON v1.1, "Dataset-JSON attributes"), not copied from its schema.
Nothing but the attributes of 1.1 may stand in a file: CDISC CORE drops a file with one key too many (``isReferenceData`` of 1.0) and
merely warns.
"""

from __future__ import annotations

from typing import Any

__all__ = ["FILE_SCHEMA", "HEAD_SCHEMA", "ROW_SCHEMA"]

_TEXT = {"type": "string"}
_NAMED = {"type": "string", "minLength": 1}
_COUNT = {"type": "integer", "minimum": 1}
_TIME = {
    "type": "string",
    "pattern": r"^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d+)?)?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)?$",
}
_TYPES = ["string", "integer", "decimal", "float", "double", "boolean", "datetime", "date", "time", "URI"]

_COLUMN: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["itemOID", "name", "label", "dataType"],
    "properties": {
        "itemOID": _NAMED,
        "name": _NAMED,
        "label": _TEXT,
        "dataType": {"enum": _TYPES},
        "targetDataType": {"enum": ["integer", "decimal"]},
        "length": _COUNT,
        "displayFormat": _TEXT,
        "keySequence": _COUNT,
    },
    # A decimal is written as a text, so that no reader makes a double of it.
    "if": {"properties": {"dataType": {"const": "decimal"}}, "required": ["dataType"]},
    "then": {"required": ["targetDataType"], "properties": {"targetDataType": {"const": "decimal"}}},
}

_HEAD: dict[str, Any] = {
    "datasetJSONCreationDateTime": _TIME,
    "datasetJSONVersion": {"type": "string", "pattern": r"^1\.1(\.\d+)?$"},
    "fileOID": _NAMED,
    "dbLastModifiedDateTime": _TIME,
    "originator": _NAMED,
    "sourceSystem": {
        "type": "object",
        "additionalProperties": False,
        "required": ["name", "version"],
        "properties": {"name": _NAMED, "version": _NAMED},
    },
    "studyOID": _NAMED,
    "metaDataVersionOID": _NAMED,
    "metaDataRef": _NAMED,
    "itemGroupOID": _NAMED,
    "records": {"type": "integer", "minimum": 0},
    "name": _NAMED,
    "label": _TEXT,
    "columns": {"type": "array", "minItems": 1, "items": _COLUMN},
}
_REQUIRED = ["datasetJSONCreationDateTime", "datasetJSONVersion", "itemGroupOID", "records", "name", "label", "columns"]
_DRAFT = "https://json-schema.org/draft/2020-12/schema"

#: One record.
ROW_SCHEMA: dict[str, Any] = {
    "$schema": _DRAFT,
    "type": "array",
    "minItems": 1,
    "items": {"type": ["string", "number", "boolean", "null"]},
}
#: The first line of an ``.ndjson`` file.
HEAD_SCHEMA: dict[str, Any] = {
    "$schema": _DRAFT,
    "type": "object",
    "additionalProperties": False,
    "required": _REQUIRED,
    "properties": _HEAD,
}
#: A ``.json`` file.
FILE_SCHEMA: dict[str, Any] = {
    "$schema": _DRAFT,
    "type": "object",
    "additionalProperties": False,
    "required": [*_REQUIRED, "rows"],
    "properties": {
        **_HEAD,
        "rows": {"type": "array", "items": {k: v for k, v in ROW_SCHEMA.items() if k != "$schema"}},
    },
}
