"""In: findings. Out: ``findings.csv``, one line each, sorted; and the other way."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from pathlib import Path

import msgspec

from adapter.datasets.model import Finding
from adapter.errors import UsageError
from adapter.spreadsheets import FORMULA_SIGNS

__all__ = ["finding_order", "read_findings", "write_findings"]

_FIELDS = ("severity", "code", "domain", "variable", "subject", "resource", "value", "count", "text")
#: A unit may begin with one; an apostrophe is doubled, so that findings are read again as they were.
_MARKED = (*FORMULA_SIGNS, "'")


def finding_order(finding: Finding) -> tuple[str, ...]:
    """What findings are sorted by: errors first, then by code and place."""
    return tuple(str(getattr(finding, name) or "") for name in _FIELDS)


def write_findings(findings: Iterable[Finding], path: Path) -> None:
    """Write findings as CSV in the order of ``finding_order``, with a heading line.

    Args:
        findings: of a package.
        path: of the file.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(_FIELDS)
    for finding in sorted(findings, key=finding_order):
        writer.writerow([_cell(getattr(finding, name)) for name in _FIELDS])
    path.write_text(out.getvalue(), encoding="utf-8", newline="")


def _cell(value: str | int | None) -> str:
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(_MARKED) else text


def read_findings(path: Path) -> list[Finding]:
    """Read findings that were written.

    Args:
        path: of the file.

    Raises:
        UsageError: it is no such file.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = [
                {name: (cell or "").removeprefix("'") or None for name, cell in row.items()}
                for row in csv.DictReader(file, strict=True)
            ]
        return msgspec.convert(rows, list[Finding], strict=False)
    except (OSError, UnicodeDecodeError, csv.Error, msgspec.ValidationError, AttributeError):
        raise UsageError(f"{path.name}: no findings that can be read") from None
