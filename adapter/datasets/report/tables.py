"""In: the Parquet files of a package's domains. Out: their records, of the variables asked for; days of ISO 8601 dates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from adapter.errors import UsageError

__all__ = ["Record", "day_of", "month_of", "read_records"]

Record = Mapping[str, Any]
_DAY, _MONTH = len("2025-05-20"), len("2025-05")


def read_records(folder: Path, domain: str, needed: Sequence[str], *, also: Sequence[str] = ()) -> list[Record] | None:
    """A domain's records.

    Args:
        folder: with ``<domain>.parquet``.
        domain: in lower case.
        needed: variables without which it is none.
        also: variables that may be missing; they are None then. An empty text is None too.

    Returns:
        None where the package has no such domain.

    Raises:
        UsageError: the file is no Parquet, or lacks a variable.
    """
    path = folder / f"{domain}.parquet"
    if not path.is_file():
        return None
    try:
        with pq.ParquetFile(path) as file:
            there = set(file.schema_arrow.names)
            missing = [name for name in needed if name not in there]
            if missing:
                raise UsageError(f"{path.name}: has no variable {', '.join(missing)}")
            rows: list[dict[str, Any]] = file.read([name for name in (*needed, *also) if name in there]).to_pylist()
    except (pa.ArrowException, OSError) as error:
        raise UsageError(f"{path.name}: is no Parquet file that can be read ({type(error).__name__})") from None
    return [{name: row.get(name) if row.get(name) != "" else None for name in (*needed, *also)} for row in rows]


def day_of(value: object) -> date | None:
    """The day of a date or a date and time; None of one that is less exact.

    >>> day_of("2025-05-20T08:30"), day_of("2025-05")
    (datetime.date(2025, 5, 20), None)
    """
    try:
        return date.fromisoformat(value[:_DAY]) if isinstance(value, str) and len(value) >= _DAY else None
    except ValueError:
        return None


def month_of(value: object) -> str | None:
    """The month of a date that is exact to the month at least (``2025-05``)."""
    if not isinstance(value, str) or len(value) < _MONTH:
        return None
    return value[:_MONTH] if day_of(f"{value[:_MONTH]}-01") is not None else None
