"""In: small simulated centres. Out: what the simulator promises of their files."""

from __future__ import annotations

import importlib
import json
import re
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from adapter.simulate import SimulationSummary, simulate, story_names, story_of
from adapter.simulate.aspects import ASPECTS
from adapter.simulate.stories import STORIES

SEED = 7
ON = date(2025, 6, 1)
ALL = {f"I{number:02d}" for number in range(1, 17)} | {f"E{number:02d}" for number in range(1, 19)}
REGISTRATION = ALL - {"E02"}
RANDOMISATION = {"I07", "I11", "I12", "E02", "E03", "E07", "E08", "E09", "E11", "E13"}
EVERY_STORY = 160


@pytest.fixture(scope="module")
def centre(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, SimulationSummary]:
    folder = tmp_path_factory.mktemp("centre")
    return folder, simulate(folder, patients=EVERY_STORY, seed=SEED)


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line, parse_float=Decimal) for line in path.read_bytes().splitlines()]


def _references(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "reference":
                yield inner
            else:
                yield from _references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _references(inner)


def _resources(folder: Path) -> Iterator[dict[str, Any]]:
    for path in sorted(folder.glob("*.ndjson")):
        if path.stem != "truth":
            yield from _lines(path)


def test_simulate_gives_the_same_bytes_for_the_same_arguments(
    centre: tuple[Path, SimulationSummary], tmp_path: Path
) -> None:
    folder, summary = centre
    again = simulate(tmp_path, patients=EVERY_STORY, seed=SEED)

    assert again == summary
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        path.name: path.read_bytes() for path in folder.iterdir()
    }


def test_simulate_gives_another_centre_for_another_seed(centre: tuple[Path, SimulationSummary], tmp_path: Path) -> None:
    simulate(tmp_path, patients=EVERY_STORY, seed=SEED + 1)

    assert (tmp_path / "Patient.ndjson").read_bytes() != (centre[0] / "Patient.ndjson").read_bytes()


def test_simulate_writes_the_first_patients_alike_in_a_larger_centre(
    centre: tuple[Path, SimulationSummary], tmp_path: Path
) -> None:
    simulate(tmp_path, patients=300, seed=SEED)
    starts = {
        path.name: (tmp_path / path.name).read_bytes().startswith(path.read_bytes()) for path in centre[0].iterdir()
    }

    assert all(starts.values()), starts
    assert (tmp_path / "Patient.ndjson").stat().st_size > (centre[0] / "Patient.ndjson").stat().st_size


def test_simulate_tells_every_story_within_160_patients(centre: tuple[Path, SimulationSummary]) -> None:
    assert set(centre[1].stories) == set(story_names())
    assert sum(centre[1].stories.values()) == EVERY_STORY


def test_story_of_names_the_story_that_truth_carries(centre: tuple[Path, SimulationSummary]) -> None:
    for line in _lines(centre[0] / "truth.ndjson"):
        index = int(line["patient"].removeprefix("Patient/p")[:6])

        assert line["story"] == story_of(SEED, index)


def test_story_of_refuses_a_negative_number() -> None:
    with pytest.raises(ValueError, match="0 or more"):
        story_of(SEED, -1)


def test_simulate_refuses_an_empty_centre(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least one"):
        simulate(tmp_path, patients=0, seed=SEED)


def test_simulate_writes_valid_fhir(centre: tuple[Path, SimulationSummary]) -> None:
    for path in sorted(centre[0].glob("*.ndjson")):
        if path.stem == "truth":
            continue
        module = importlib.import_module(f"fhir.resources.R4B.{path.stem.lower()}")
        model = getattr(module, path.stem)
        for line in path.read_bytes().splitlines():
            assert model.model_validate_json(line).id


def test_simulate_refers_only_to_what_it_writes(centre: tuple[Path, SimulationSummary]) -> None:
    resources = list(_resources(centre[0]))
    known = {f"{resource['resourceType']}/{resource['id']}" for resource in resources}
    wanted = {reference for resource in resources for reference in _references(resource)}

    assert {reference for reference in wanted if not reference.startswith("#")} <= known


def test_simulate_counts_what_it_wrote(centre: tuple[Path, SimulationSummary]) -> None:
    folder, summary = centre
    written = {path.stem: len(_lines(path)) for path in folder.glob("*.ndjson") if path.stem != "truth"}

    assert summary.resources == written
    assert summary.patients == EVERY_STORY
    assert summary.truths == len(_lines(folder / "truth.ndjson"))


def test_truth_has_one_line_for_every_surviving_patient(centre: tuple[Path, SimulationSummary]) -> None:
    patients = _lines(centre[0] / "Patient.ndjson")
    replaced = {
        link["other"]["reference"]
        for patient in patients
        for link in patient.get("link", [])
        if link["type"] == "replaces"
    } | {
        f"Patient/{patient['id']}"
        for patient in patients
        if any(link["type"] == "replaced-by" for link in patient.get("link", []))
    }
    told = [line["patient"] for line in _lines(centre[0] / "truth.ndjson")]

    assert replaced
    assert sorted(told) == sorted({f"Patient/{patient['id']}" for patient in patients} - replaced)


def test_truth_answers_all_criteria_at_their_stages(centre: tuple[Path, SimulationSummary]) -> None:
    for line in _lines(centre[0] / "truth.ndjson"):
        assert set(line["registration"]) == REGISTRATION
        assert set(line["randomisation"]) == RANDOMISATION
        assert {*line["registration"].values(), *line["randomisation"].values()} <= {"T", "F", "U"}
        assert line["on"] == ON.isoformat()


def test_truth_shows_every_answer_of_every_criterion_within_300_patients(tmp_path: Path) -> None:
    simulate(tmp_path, patients=300, seed=SEED)
    seen = {
        (stage, name, truth)
        for line in _lines(tmp_path / "truth.ndjson")
        for stage in ("registration", "randomisation")
        for name, truth in line[stage].items()
    }
    wanted = {("registration", name) for name in REGISTRATION} | {("randomisation", name) for name in RANDOMISATION}

    assert seen == {(stage, name, truth) for stage, name in wanted for truth in "TFU"}


@pytest.mark.parametrize("aspect", sorted(ASPECTS))
def test_first_patients_are_asked_for_every_kind_of_every_aspect(aspect: str) -> None:
    asked = {story.first.get(aspect) or story.wishes.get(aspect) for story in STORIES}

    assert set(ASPECTS[aspect].kinds) <= asked


def test_candidates_carry_a_record_of_forty_to_ninety_resources(tmp_path: Path) -> None:
    simulate(tmp_path, patients=800, seed=SEED)
    stories = {line["patient"]: line["story"] for line in _lines(tmp_path / "truth.ndjson")}
    sizes: dict[str, list[int]] = {"candidate": [], "other": []}
    counted = Counter(
        resource["id"][:7] for resource in _resources(tmp_path) if re.fullmatch(r"p\d{6}.*", resource["id"])
    )
    for number, size in counted.items():
        story = stories.get(f"Patient/{number}", "")
        sizes["other" if story.startswith("other-") else "candidate"].append(size)

    assert 40 <= median(sizes["candidate"]) <= 90
    assert median(sizes["other"]) <= 25


def test_merged_records_share_the_results_between_both_ids(centre: tuple[Path, SimulationSummary]) -> None:
    ids = {patient["id"] for patient in _lines(centre[0] / "Patient.ndjson")}
    subjects = [line["subject"]["reference"] for line in _lines(centre[0] / "Observation.ndjson")]
    merged = {identity for identity in ids if identity.endswith("-old")}

    assert merged
    for old in merged:
        assert f"Patient/{old}" in subjects
        assert f"Patient/{old.removesuffix('-old')}" in subjects


def test_simulate_writes_the_features_of_a_french_feed(tmp_path: Path) -> None:
    simulate(tmp_path, patients=400, seed=SEED)
    text = b"".join(path.read_bytes() for path in sorted(tmp_path.glob("*.ndjson"))).decode()
    wanted = (
        '"unit":"G/L"}',
        '"comparator":"<"',
        "prélèvement coagulé",
        "voir CR",
        "\u00b5mol/L",
        "\u03bcmol/L",
        '"versionId":"2"',
        '"preliminary"',
        '"corrected"',
        '"hasMember"',
        '"component"',
        '"effectivePeriod"',
        '"effectiveInstant"',
        '"lotNumber"',
        '"type":"replaced-by"',
        '"status":"not-done"',
        '"status":"stopped"',
        "V10XX05",
        '"valueString":"3-5',
        '"text":"N: ',
        '"code":"recist-response"',
        '"code":"recist-best-response"',
        '"code":"sstr-positive-percent"',
        '"code":"lesion-longest-diameter"',
        '"code":"marrow-fraction-irradiated"',
        '"code":"revascularisation"',
        '"url":"urn:reluth:adverse-event-grade"',
        '"valueDate"',
        '"resourceType":"Flag"',
        '"resourceType":"ImagingStudy"',
        '"resourceType":"MedicationRequest"',
        "amas plaquettaires",
    )

    assert [feature for feature in wanted if feature not in text] == []


def test_simulate_keeps_the_digits_that_it_decided(centre: tuple[Path, SimulationSummary]) -> None:
    values = [
        line["valueQuantity"]["value"]
        for line in _lines(centre[0] / "Observation.ndjson")
        if line.get("valueQuantity", {}).get("unit") == "mg/dL"
    ]

    assert any(isinstance(value, Decimal) and str(value).endswith("0") for value in values)


def test_simulate_replaces_an_older_centre_and_leaves_no_part_files(tmp_path: Path) -> None:
    simulate(tmp_path, patients=40, seed=SEED)
    seen: list[int] = []
    simulate(tmp_path, patients=3, seed=SEED, progress=seen.append)

    assert seen == [3]
    assert len(_lines(tmp_path / "truth.ndjson")) == 3
    assert [path.name for path in tmp_path.iterdir() if path.suffix != ".ndjson"] == []
    assert not (tmp_path / "ResearchSubject.ndjson").exists()


def test_simulate_leaves_the_older_centre_when_it_is_interrupted(tmp_path: Path) -> None:
    simulate(tmp_path, patients=3, seed=SEED)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def stop(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulate(tmp_path, patients=5, seed=SEED, progress=stop)

    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_simulate_memory_does_not_grow_with_the_centre(tmp_path: Path) -> None:
    def peak(patients: int) -> int:
        tracemalloc.start()
        try:
            simulate(tmp_path, patients=patients, seed=SEED)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(100)  # fills the caches that every centre fills

    assert peak(1000) < peak(200) + 1_000_000  # eight hundred patients held in memory would take some twenty times that
