"""In: the 160 worded test vectors of the specification beside the project. Out: each stands in ``criteria/*.yaml`` under its name, with its truth.

A case stands for a vector when it has the vector's name and ``eligibility.yaml <criterion>`` as its source. Skipped where the folder that holds the
specification is missing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import pytest
import yaml

from tests.support.scenario_yaml import load_scenarios

SPECIFICATION = Path(__file__).resolve().parents[3] / "shared" / "trial" / "eligibility.yaml"
FOLDER = Path(__file__).parent / "criteria"
MISSING = "the eligibility specification lies beside the project (../shared/trial), and is not there"


class Amended(NamedTuple):
    """A vector whose truth clarifications.md changes: what it is now, the case that stands for it, and why."""

    truth: str
    case: str
    why: str


#: Every vector that clarifications.md changes; the case has another source than the specification.
AMENDED = {
    ("I02", "not met site"): Amended(
        "U", "gastric primary alone is open", "'Worded vectors these decisions change': no histology is recorded"
    ),
}

Vector = tuple[str, str]


def _cannot(sentence: str) -> NoReturn:
    pytest.skip(sentence)


@pytest.fixture(scope="module")
def worded() -> dict[Vector, str]:
    """The truth of every vector of the specification."""
    if not SPECIFICATION.is_file():
        _cannot(MISSING)
    criteria = yaml.safe_load(SPECIFICATION.read_text(encoding="utf-8"))["criteria"]
    return {(item["id"], test["name"]): str(test["expect"]) for item in criteria for test in item["tests"]}


def _truth(expected: Mapping[str, Any]) -> str | None:
    truth = expected.get("truth")
    return truth if isinstance(truth, str) else None


def _written() -> Iterator[tuple[Vector, str | None]]:
    """Each case that stands for a vector, with the truth it expects."""
    stand_ins = {(vector[0], amended.case): vector for vector, amended in AMENDED.items()}
    for path in sorted(FOLDER.glob("*.yaml")):
        document = load_scenarios(path.read_text(encoding="utf-8"))
        for case in document["cases"]:
            criterion = case.get("criterion", document.get("criterion"))
            if (criterion, case["name"]) in stand_ins:
                yield stand_ins[criterion, case["name"]], _truth(case["expect"])
            elif criterion is not None and case["source"] == f"eligibility.yaml {criterion}":
                yield (criterion, case["name"]), _truth(case["expect"])


def test_worded_vectors_are_all_written_as_scenarios(worded: dict[Vector, str]) -> None:
    written = {vector for vector, _ in _written()}

    assert len(worded) == 160
    assert sorted(set(worded) - written) == []


def test_worded_vectors_expect_what_is_worded_or_amended(worded: dict[Vector, str]) -> None:
    wanted = worded | {vector: amended.truth for vector, amended in AMENDED.items()}

    differing = [
        (vector, truth, wanted[vector]) for vector, truth in _written() if vector in wanted and truth != wanted[vector]
    ]

    assert differing == []


def test_worded_vectors_are_written_once(worded: dict[Vector, str]) -> None:
    counts = Counter(vector for vector, _ in _written() if vector in worded)

    assert [vector for vector, count in counts.items() if count > 1] == []


def test_amended_vectors_are_worded_otherwise_in_the_specification(worded: dict[Vector, str]) -> None:
    needless = [vector for vector, amended in AMENDED.items() if worded.get(vector, amended.truth) == amended.truth]

    assert needless == []


def test_missing_specification_skips_with_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(pytest.skip.Exception, match="lies beside the project"):
        _cannot(MISSING)
