"""In: dates and units as sent. Out: as read, with the precision they came with."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from adapter.service.formats import effective, moment, unit
from adapter.service.language import Language


@pytest.mark.parametrize(
    ("value", "language", "shown"),
    [
        ("2025-06-01", "fr", "1er juin 2025"),
        ("2025-06-01", "en", "1 June 2025"),
        ("2025-05", "fr", "mai 2025"),
        ("2025-05", "en", "May 2025"),
        ("2025", "fr", "2025"),
        ("2025-05-20T08:30:00+02:00", "en", "20 May 2025, 08:30 (+02:00)"),
        ("2025-05-20T08:30:00.123Z", "en", "20 May 2025, 08:30 UTC"),
        ("2025-13", "en", "2025-13"),
        ("2025-02-31", "en", "2025-02-31"),
        ("2025-05-20/2025-05-21", "en", "2025-05-20/2025-05-21"),
        ("2025-05-01..2025-05-31", "en", "between 1 May 2025 and 31 May 2025"),
        ("..2025-05-31", "fr", "au plus tard le 31 mai 2025"),
        ("<b>", "en", "<b>"),
    ],
)
def test_effective_keeps_the_precision_of_the_record(value: str, language: Language, shown: str) -> None:
    assert effective(value, language) == shown


@pytest.mark.parametrize(
    ("code", "language", "shown"),
    [
        ("g/dL", "en", "g/dL"),
        ("10*9/L", "fr", "10⁹/L"),
        ("umol/L", "fr", "µmol/L"),
        ("mm[Hg]", "en", "mmHg"),
        ("[iU]/L", "fr", "UI/L"),
        ("[iU]/L", "en", "IU/L"),
        ("{INR}", "en", "INR"),
        ("a", "fr", "ans"),
        ("ULN", "fr", "N"),
        ("ULN", "en", "× ULN"),
        ("mL/min/{1.73_m2}", "fr", "mL/min/1,73\N{NO-BREAK SPACE}m²"),
        ("", "en", ""),
    ],
)
def test_unit_is_written_as_clinicians_write_it(code: str, language: Language, shown: str) -> None:
    assert unit(code, language) == shown


def test_moment_shows_day_and_time() -> None:
    assert moment(datetime(2025, 6, 1, 9, 5, tzinfo=UTC), "en") == "1 June 2025, 09:05"
