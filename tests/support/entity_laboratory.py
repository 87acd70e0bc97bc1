"""In: nothing. Out: laboratory results as hypothesis draws them (every field told and not told), and literal ones for examples."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import msgspec
from hypothesis import strategies as st

from adapter.fhir import Json
from mappings.entities import Coding, EntityError, Identifier, LabResult, LabStatus

__all__ = [
    "amounts",
    "codes",
    "codings",
    "days",
    "full_result",
    "identifiers",
    "lab_results",
    "maybe",
    "moments",
    "mutations",
    "partial_dates",
    "sample_results",
    "sent",
    "texts",
    "written",
]

ABSENT = ["unknown", "masked", "not-performed", "as-text", "error", "temp-unknown", "negative-infinity"]
INTERPRETATIONS = ["H", "L", "N", "HH", "LL", "<", ">", "A", "AA", "POS", "NEG", "U"]
UNCODED = "Ery/champ"
UNITS = ["g/dL", "10*9/L", "umol/L", "{INR}", "%", "1", "mL/min/{1.73_m2}", "m[IU]/L", "[degF]"]
SPECIAL_TEXTS = [
    "Hémoglobine",
    'dit « "normal" »\\',
    "👩‍⚕️ refait 😷",
    "80 000",
    "< 5",
    "ligne 1\nligne 2\tfin",
    "null",
    "0",
    "e\u0301te\u0301",
]


def sent(resource: Json) -> Json:
    """The same after its way over the wire, numbers digit for digit."""
    found: Json = json.loads(msgspec.json.Encoder(decimal_format="number").encode(resource), parse_float=Decimal)
    return found


def mutations(resource: Json) -> Iterator[tuple[str, Json]]:
    """(where and what, resource) with one value dropped, or replaced by one of another JSON type or by nonsense."""
    for path in _paths(resource, ()):
        for wrong in (_DROPPED, None, True, 3, Decimal("0.5"), 1.5, "", "x", [], {}, ["x"], [{}], {"x": 1}):
            mutated = copy.deepcopy(resource)
            holder: Any = mutated
            for step in path[:-1]:
                holder = holder[step]
            if wrong is _DROPPED:
                del holder[path[-1]]
            else:
                holder[path[-1]] = wrong
            yield f"{'.'.join(map(str, path))} = {'dropped' if wrong is _DROPPED else repr(wrong)}", mutated


_DROPPED = object()


def _paths(content: Any, path: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    within = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for step, value in within:
        yield (*path, step)
        yield from _paths(value, (*path, step))


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """The same, or None."""
    return st.none() | strategy


def texts(longest: int = 40) -> st.SearchStrategy[str]:
    """Texts that an entity may have: of any script, with blanks and line breaks within."""
    free = st.text(
        st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")) | st.sampled_from(" \n\t"), max_size=longest
    )
    return st.sampled_from([text for text in SPECIAL_TEXTS if len(text) <= longest]) | free.map(str.strip).filter(bool)


def codes() -> st.SearchStrategy[str]:
    """Codes: no blanks but single ones within."""
    word = st.text(
        st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zs", "Zl", "Zp")), min_size=1, max_size=8
    )
    return st.sampled_from(["718-7", "HB", "créat", "NA K", "177 Lu"]) | st.lists(word, min_size=1, max_size=3).map(
        " ".join
    )


def systems() -> st.SearchStrategy[str]:
    """Absolute URIs."""
    return st.sampled_from(
        [
            "http://loinc.org",
            "urn:oid:1.2.250.1.213.1.4.8",
            "https://labo.example/codes",
            "urn:reluth:terms",
            "urn:x:é|y",
        ]
    )


def identifiers() -> st.SearchStrategy[Identifier]:
    """Business identifiers, up to the longest value."""
    return st.builds(Identifier, system=systems(), value=texts() | st.just("9" * 255))


def codings() -> st.SearchStrategy[Coding]:
    """Codes with and without their display."""
    return st.builds(Coding, system=systems(), code=codes(), display=maybe(texts()))


def amounts(*, lowest: int = -(10**6)) -> st.SearchStrategy[Decimal]:
    """Decimals with their trailing zeros and exponents."""
    special = [
        Decimal(text) for text in ("7400.0", "0.50", "12.10", "1E+3", "0.000", "0", "7.4e-5") if Decimal(text) >= lowest
    ]
    whole = st.integers(lowest, 10**6)
    return st.sampled_from(special) | st.builds(
        lambda number, places: Decimal(number).scaleb(-places), whole, st.integers(0, 6)
    )


def partial_dates() -> st.SearchStrategy[str]:
    """A year, a month or a day."""
    return st.builds(lambda day, length: str(day)[:length], _times().map(datetime.date), st.sampled_from([4, 7, 10]))


def days() -> st.SearchStrategy[str]:
    """Whole days."""
    return _times().map(lambda time: str(time.date()))


def moments() -> st.SearchStrategy[str]:
    """Times of day with their offset, some with a fraction."""
    return st.builds(written, _times(), st.sampled_from([0, 60, 120, -330, 840]), st.sampled_from(["", ".5", ".250"]))


def written(time: datetime, offset: int, fraction: str = "") -> str:
    """A time as FHIR writes it, ``offset`` minutes east of Greenwich; 0 as Z."""
    local = time.replace(tzinfo=UTC, microsecond=0).astimezone(timezone(timedelta(minutes=offset))).isoformat()
    return f"{local[:19]}{fraction}{local[19:] if offset else 'Z'}"


def _times() -> st.SearchStrategy[datetime]:
    return st.datetimes(datetime(1901, 1, 2), datetime(2099, 12, 30))  # noqa: DTZ001 - UTC is put on in `written`


@st.composite
def lab_results(draw: st.DrawFn) -> LabResult:
    """Any result that the entity allows."""
    kind = draw(st.sampled_from(["value", "text", "absent"]))
    low, high = draw(maybe(amounts())), draw(maybe(amounts()))
    if low is not None and high is not None:
        low, high = sorted((low, high))
    has_unit = kind == "value" or low is not None or high is not None or draw(st.booleans())
    unit = draw(st.sampled_from((*UNITS, UNCODED))) if has_unit else None
    told: dict[str, Any] = {
        "id": draw(identifiers()),
        "patient": draw(identifiers()),
        "codes": tuple(draw(st.lists(codings(), min_size=1, max_size=4, unique_by=lambda one: (one.system, one.code)))),
        "effective": draw(partial_dates() | moments()),
        "status": draw(st.sampled_from(LabStatus)),
        kind: draw({"value": amounts(), "text": texts(), "absent": st.sampled_from(ABSENT)}[kind]),
        "comparator": draw(maybe(st.sampled_from(["<", "<=", ">=", ">"]))) if kind == "value" else None,
        "unit": unit,
        # What is printed for a unit that has no code is none, either.
        "unit_text": draw(maybe(texts() | st.sampled_from(UNITS) if unit != UNCODED else st.just("par champ"))),
        "low": low,
        "high": high,
        "range_text": draw(maybe(texts())),
        "name": draw(maybe(texts())),
        "subject": draw(maybe(codes())),
        "issued": draw(maybe(moments())),
        "specimen": draw(maybe(texts())),
        "laboratory": draw(maybe(identifiers())),
        "interpretation": tuple(draw(st.lists(st.sampled_from(INTERPRETATIONS), max_size=3, unique=True))),
    }
    try:
        return LabResult(**told)
    except EntityError as error:
        raise AssertionError(f"the strategy draws what is no result: {error}") from error


def sample_results() -> list[LabResult]:
    """A dozen and more results, each of another kind, as a French laboratory would tell them."""
    common: dict[str, Any] = {
        "id": Identifier(system="https://labo.example/resultats", value="R-2025-000147/3"),
        "patient": Identifier(system="https://hopital.example/ipp", value="0800147"),
        "codes": (
            Coding(system="http://loinc.org", code="718-7", display="Hemoglobin [Mass/volume] in Blood"),
            Coding(system="https://labo.example/analyses", code="HB", display="Hémoglobine"),
        ),
        "effective": "2025-05-20T08:10:00+02:00",
    }
    creatinine = (Coding(system="http://loinc.org", code="14682-9"),)
    number: dict[str, Any] = {**common, "value": Decimal("12.10"), "unit": "g/dL"}
    return [
        full_result(),
        LabResult(**number),
        LabResult(**number, status=LabStatus.PRELIMINARY, unit_text="g/100ml"),
        LabResult(**number, comparator="<", status=LabStatus.CORRECTED),
        LabResult(**number, low=Decimal("12.0"), range_text="N : > 12"),
        LabResult(**number, high=Decimal(17), issued="2025-05-20T11:00:00.250Z"),
        LabResult(**{**number, "unit": None}, unit_text="Ery/champ", low=Decimal(0), high=Decimal(3)),
        LabResult(**{**number, "codes": creatinine, "unit": "umol/L", "unit_text": "µmol/L"}, specimen="Sérum"),
        LabResult(**{**number, "effective": "2025-05"}, interpretation=("L", "HH", "<")),
        LabResult(**{**number, "effective": "2025"}, status=LabStatus.ENTERED_IN_ERROR),
        LabResult(**common, text="prélèvement coagulé, « à refaire »", status=LabStatus.FINAL),
        LabResult(**common, text="traces", unit="g/L", unit_text="g/l", range_text="absence"),
        LabResult(**common, text="voir CR", unit="g/L", low=Decimal("0.5"), high=Decimal("1.50")),
        LabResult(**common, absent="not-performed", status=LabStatus.CANCELLED, name="NFS"),
        LabResult(**common, absent="temp-unknown", status=LabStatus.REGISTERED, subject="MTP-001"),
        LabResult(**common, absent="unknown", unit_text="%", status=LabStatus.UNKNOWN),
    ]


def full_result() -> LabResult:
    """One result with all that a number may have."""
    return LabResult(
        id=Identifier(system="https://labo.example/resultats", value="R-2025-000147/1"),
        patient=Identifier(system="https://hopital.example/ipp", value="0800147"),
        codes=(
            Coding(system="http://loinc.org", code="26499-4", display="Neutrophils [#/volume] in Blood"),
            Coding(system="https://labo.example/analyses", code="PNN", display="Polynucléaires neutrophiles"),
        ),
        effective="2025-05-20T08:10:00+02:00",
        status=LabStatus.AMENDED,
        value=Decimal("1.50"),
        comparator=">=",
        unit="10*9/L",
        unit_text="G/L",
        low=Decimal("1.5"),
        high=Decimal("7.00"),
        range_text="1,5 à 7,0",
        name="Polynucléaires neutrophiles",
        subject="MTP-001",
        issued="2025-05-20T11:42:00+02:00",
        specimen="Sang veineux, tube EDTA",
        laboratory=Identifier(system="urn:oid:1.2.250.1.71.4.2.2", value="340000000"),
        interpretation=("N",),
    )
