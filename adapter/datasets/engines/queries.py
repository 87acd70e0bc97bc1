"""In: a view, a file. Out: the view compiled for DuckDB: from the file, where an earlier run kept it there, else compiled, and kept.

To compile the views of a package takes longer than to run them over a centre's feed. What is kept is known by all that it depends on:
the view, the compiler's own sources, and the versions of the libraries that write the query. Anything else is compiled anew.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from functools import cache
from importlib import resources
from importlib.metadata import version
from pathlib import Path
from typing import Final

import msgspec

from adapter.fhir.versions import FhirVersion
from adapter.views import DUCKDB, CompiledView, ViewDefinition, compile_view, packed, unpacked

__all__ = ["Queries"]

_SOURCES: Final = (("adapter.views", ""), ("adapter.fhir", "structure.py"))
_LIBRARIES: Final = ("duckdb", "fhir.resources", "ibis-framework", "sqlglot")


class _File(msgspec.Struct):
    compiler: str
    views: dict[str, msgspec.Raw]


class Queries:
    """Compiled views of FHIR R4, by what they say.

    Args:
        file: where they are kept; None to keep none.
    """

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self._views = self._read()
        self._new = False

    def of(self, view: ViewDefinition) -> CompiledView:
        """A view, compiled.

        Raises:
            DocumentError: an expression names what is not there, or does what cannot be done.
        """
        if self._file is None:
            return compile_view(view, dialect=DUCKDB)
        key = hashlib.sha256(msgspec.json.encode(view)).hexdigest()
        kept = self._views.get(key)
        if kept is not None:
            try:
                return unpacked(view, bytes(kept), version=FhirVersion.R4, dialect=DUCKDB)
            except msgspec.DecodeError:
                pass
        compiled = compile_view(view, dialect=DUCKDB)
        self._views[key] = msgspec.Raw(packed(compiled))
        self._new = True
        return compiled

    def save(self) -> None:
        """Keep what was compiled since.

        Raises:
            OSError: the file cannot be written.
        """
        if self._file is not None and self._new:
            content = msgspec.json.encode(_File(_compiler(), dict(sorted(self._views.items()))))
            # Two exports of one process may save at once: each has a file of its own, and the last one stays.
            handle, temporary = tempfile.mkstemp(prefix=f".{self._file.name}.", dir=self._file.parent)
            with os.fdopen(handle, "wb") as out:
                out.write(content)
            Path(temporary).replace(self._file)
            self._new = False

    def _read(self) -> dict[str, msgspec.Raw]:
        if self._file is None:
            return {}
        try:
            found = msgspec.json.decode(self._file.read_bytes(), type=_File)
        except (OSError, msgspec.DecodeError):
            return {}
        return found.views if found.compiler == _compiler() else {}


@cache
def _compiler() -> str:
    """What the queries depend on besides the views."""
    told = hashlib.sha256()
    for package, name in _SOURCES:
        for file in sorted(resources.files(package).iterdir(), key=lambda one: one.name):
            if file.name == name or (not name and file.name.endswith(".py")):
                told.update(f"{package}/{file.name}\n".encode() + file.read_bytes())
    told.update("".join(f"{library} {version(library)}\n" for library in _LIBRARIES).encode())
    return told.hexdigest()
