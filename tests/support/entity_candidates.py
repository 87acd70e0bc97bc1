"""In: nothing. Out: lists of candidates as hypothesis draws them (every field told and not told), and a literal one for examples."""

from __future__ import annotations

from datetime import date
from typing import Any

from hypothesis import strategies as st

from mappings.entities import Arm, ArmKind, Candidate, CandidateList, Study, StudyIdentifier, StudyStatus

__all__ = ["EXAMPLE", "STUDY", "candidate_lists", "sample_lists"]

EXAMPLE = CandidateList(
    study="nct04954820",
    site="05",
    as_of="2025-06-01",
    candidates=(
        Candidate(number="CAND-0aYk3xXqJm8sT1vD9bR2cQ", since="2025-05-20"),
        Candidate(number="CAND-not-told-since-when"),
        Candidate(number="RELUTH-05-0001", since="2025-02-03"),
    ),
)

STUDY = Study(
    id="nct04954820",
    title="Assessment of Retreatment With Lutathera",
    acronym="ReLUTH",
    identifiers=(StudyIdentifier(use="official", system="http://clinicaltrials.gov", value="NCT04954820"),),
    status=StudyStatus.ACTIVE,
    arms=(
        Arm(name="experimental", label="Experimental", kind=ArmKind.EXPERIMENTAL, description="2 additional infusions"),
    ),
)

_WORD = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zs", "Zl", "Zp")), min_size=1, max_size=12
)


def _codes(*, forbidden: str = "") -> st.SearchStrategy[str]:
    """Codes, with single blanks within."""
    some = st.sampled_from(["nct04954820", "05", "CHU Nîmes", "Ω", "a|b", "👩‍⚕️ 2", "-", 'x"y', "CAND-_-x"])
    drawn = st.lists(_WORD, min_size=1, max_size=2).map(" ".join)
    return (some | drawn).filter(lambda code: not set(forbidden) & set(code))


def _days() -> st.SearchStrategy[str]:
    return st.dates(date(1901, 1, 2), date(2199, 12, 30)).map(str)


def candidate_lists() -> st.SearchStrategy[CandidateList]:
    """Any list that the entity allows."""
    number = _codes() | st.just("9" * 255)
    candidates = st.lists(
        st.builds(Candidate, number=number, since=st.none() | _days()), max_size=5, unique_by=lambda one: one.number
    )
    told: dict[str, Any] = {"study": _codes(forbidden="/"), "site": _codes(forbidden="/")}
    return st.builds(
        CandidateList,
        **told,
        as_of=_days(),
        candidates=candidates.map(lambda found: tuple(sorted(found, key=lambda one: one.number))),
        retired=st.booleans(),
    )


def sample_lists() -> list[CandidateList]:
    """A dozen that differ in what they tell."""
    numbers = [f"CAND-{number:03}" for number in range(40)]
    found = [EXAMPLE]
    for site in ("05", "CHU Nîmes", "icm"):
        for count in (0, 1, 40):
            for retired in (False, True):
                candidates = tuple(
                    Candidate(number=number, since="2025-05-01" if at % 2 else None)
                    for at, number in enumerate(numbers[:count])
                )
                found.append(
                    CandidateList(
                        study="nct04954820", site=site, as_of="2025-06-01", candidates=candidates, retired=retired
                    )
                )
    return found
