"""In: the store of a hospital with codes of its own. Out: what cannot be read, counted over current records and persons; how much there is of each datum."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from adapter.criteria import Stage, Trial
from adapter.documents import load_site
from adapter.screening import read_funnel
from adapter.screening import stored_codes as stored_codes_module
from adapter.screening.coverage import Coverage, Datum, read_coverage
from adapter.screening.needs import needs_of, ranged_of
from adapter.screening.unread import unmapped_of
from adapter.store import Store
from adapter.sync import FolderSource, pull
from adapter.terminology import Site
from adapter.terminology.unmapped import Unmapped
from tests.support.clinic import condition, patient, write_feed
from tests.support.local_feed import LABO, LOINC, local_feed, result

SITE = Site.plain("clinic")
EXAMPLE = Path(__file__).parents[3] / "mappings" / "sites" / "example"


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """The store of the local feed; no test changes it."""
    folder = tmp_path_factory.mktemp("local")
    with Store.open(folder / "store") as opened:
        pull(opened, FolderSource(write_feed(folder / "feed", local_feed())), site="clinic")
        yield opened


def stored(folder: Path, resources: list[Any]) -> Store:
    store = Store.open(folder / "var")
    pull(store, FolderSource(write_feed(folder / "more", resources)), site="clinic")
    return store


def counts(found: Unmapped) -> dict[tuple[str, str | None], tuple[int, int]]:
    return {(item.element, item.code): (item.results, item.persons) for item in found.codes}


def test_unmapped_of_counts_current_results_and_persons(local: Store, trial: Trial) -> None:
    assert counts(unmapped_of(local, trial, SITE)) == {
        ("Observation.code", "HB"): (3, 2),
        ("Observation.code", "HBA1C"): (1, 1),
        ("Observation.code", "CRE"): (1, 1),
        ("Observation.code", "X1"): (1, 1),
        ("Observation.component.code", "PNN"): (1, 1),
        ("Observation.value", "MP"): (1, 1),
        ("Observation.code", None): (1, 1),
        ("Medication.code", "9001"): (1, 2),
        ("Condition.code", "C17.2"): (1, 1),
    }


def test_unmapped_of_tells_the_days_of_the_results(local: Store, trial: Trial) -> None:
    found = next(item for item in unmapped_of(local, trial, SITE).codes if item.code == "HB")

    assert (found.first, found.last) == ("2024-02-03", "2025-05-20")
    assert found.displays == (("Hémoglobine", 3),)


def test_unmapped_of_counts_units_whatever_way_they_were_sent(local: Store, trial: Trial) -> None:
    found = {
        (item.unit, item.reason): item.results
        for item in unmapped_of(local, trial, SITE).units
        if item.analyte == "albumin"
    }

    assert found == {("u. arb.", "unknown-unit"): 1, (None, "no-unit"): 1, ("(other text)", "unknown-unit"): 1}


def test_unmapped_of_is_the_same_whatever_the_batches(
    local: Store, trial: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = unmapped_of(local, trial, SITE)
    monkeypatch.setattr(stored_codes_module, "_BATCH_ROWS", 1)
    monkeypatch.setattr(stored_codes_module, "_FETCH", 1)

    assert unmapped_of(local, trial, SITE) == whole


def test_unmapped_of_follows_the_overlay(local: Store, trial: Trial) -> None:
    site = replace(
        SITE,
        concept_map={(LABO, "HB"): ((LOINC, "718-7"),), (LABO, "MP"): (("urn:reluth:terms", "PD"),)},
        icd10_systems=SITE.icd10_systems | {"urn:hopital:cim10"},
    )
    found = counts(unmapped_of(local, trial, site))

    assert not {("Observation.code", "HB"), ("Observation.value", "MP"), ("Condition.code", "C17.2")} & found.keys()
    assert ("Observation.code", "HBA1C") in found


def test_unmapped_of_the_example_overlay_is_what_it_says_has_no_equivalent(tmp_path: Path, trial: Trial) -> None:
    def local_result(code: str, unit: str) -> Any:
        return result(code, "1", code, 5, unit, system="urn:example:laboratory")

    codes = {"HB": "g par litre", "PNN": "G/L", "PLT": "milliers/mm3", "ALAT": "UI/L", "GLY": "mmol/L", "XYZ": "g/L"}
    feed = [patient("1"), *(local_result(code, unit) for code, unit in codes.items())]
    feed.append(condition("c", "1", "C17.2", system="urn:example:cim10"))
    with stored(tmp_path, feed) as store:
        plain, told = (unmapped_of(store, trial, site) for site in (SITE, load_site("clinic", EXAMPLE)))

    assert counts(told) == {("Observation.code", "XYZ"): (1, 1)}
    assert told.units == ()
    assert len(plain.codes) == 7


def test_unmapped_of_takes_the_current_version_only(tmp_path: Path, trial: Trial) -> None:
    first = {**result("1", "1", "HB", 1, "g/dL"), "meta": {"versionId": "1"}}
    second = {**result("1", "1", "718-7", 1, "g/dL", system=LOINC), "meta": {"versionId": "2"}}
    with stored(tmp_path, [patient("1"), first, second]) as store:
        assert unmapped_of(store, trial, SITE).codes == ()


def test_unmapped_of_looks_only_at_types_that_the_trial_reads(tmp_path: Path, trial: Trial) -> None:
    feed = [patient("1"), result("1", "1", "HB", 1, "g/dL")]
    narrow = replace(trial, resource_types=("Patient", "Condition"))
    with stored(tmp_path, feed) as store:
        assert unmapped_of(store, narrow, SITE) == Unmapped("clinic")
        assert len(unmapped_of(store, trial, SITE).codes) == 1


def test_unmapped_of_an_empty_store_is_nothing(tmp_path: Path, trial: Trial) -> None:
    with Store.open(tmp_path / "var") as store:
        assert unmapped_of(store, trial, SITE) == Unmapped("clinic")
        assert all(datum.stored.results == 0 for datum in read_coverage(store, trial, SITE).data)


def test_unmapped_of_reads_no_bytes_where_the_index_tells_enough(
    tmp_path: Path, trial: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    coded = result("1", "1", "718-7", 12, "g/dL", system=LOINC)
    coded["valueQuantity"] |= {"system": "http://unitsofmeasure.org", "code": "g/dL"}
    feed = [patient("1"), coded, condition("c", "1", "C17.2")]
    seen: list[bytes] = []
    monkeypatch.setattr("adapter.terminology.unmapped.Tally.add", lambda _self, raw, **_more: seen.append(raw))
    with stored(tmp_path, [*feed, result("2", "1", "HB", 1, "g/dL")]) as store:
        unmapped_of(store, trial, SITE)

    assert [json.loads(raw)["id"] for raw in seen] == ["2"]


# Funnel


def test_funnel_shows_what_cannot_be_read_without_displays(local: Store, trial: Trial) -> None:
    found = read_funnel(local, trial, Stage.REGISTRATION, unmapped=[unmapped_of(local, trial, SITE)]).to_json()

    assert found["unmapped"][0]["site"] == "clinic"
    assert {"element": "Observation.code", "system": LABO, "code": "HB", "results": 3, "persons": 2} in found[
        "unmapped"
    ][0]["codes"]
    assert "Dupont" not in json.dumps(found)


# Coverage


def datum(found: Coverage, what: str) -> Datum:
    return next(item for item in found.data if item.what == what)


def gaps(found: Coverage, what: str) -> dict[str, tuple[int, tuple[str, ...]]]:
    return {gap.kind: (gap.results, gap.named) for gap in datum(found, what).gaps}


def test_needs_name_every_criterion_that_reads_data(trial: Trial) -> None:
    needs = needs_of(trial)

    assert {"I02", "I03", "I07", "I11", "E07", "E08", "E09", "E11"} <= {
        one for need in needs.values() for one in need.criteria
    }
    assert needs["hemoglobin"].criteria[0] == "I11"
    assert needs["inr"].instead >= {"inr", "tp_percent"}
    assert {"alt", "ast", "bilirubin_total", "inr", "hcg"} <= ranged_of(trial)
    assert "hemoglobin" not in ranged_of(trial)


def test_coverage_counts_what_is_stored_of_each_datum(local: Store, trial: Trial) -> None:
    found = read_coverage(local, trial, SITE)

    assert (datum(found, "platelets").stored.results, datum(found, "platelets").stored.last) == (1, "2025-05-20")
    assert (datum(found, "albumin").stored.results, datum(found, "albumin").stored.persons) == (3, 3)
    assert datum(found, "intestinal_primary").stored.persons == 1
    assert (datum(found, "lutathera").stored.results, datum(found, "lutathera").stored.persons) == (1, 1)
    assert not found.is_whole


def test_coverage_names_unmapped_candidates_for_a_datum(local: Store, trial: Trial) -> None:
    found = read_coverage(local, trial, SITE)

    assert gaps(found, "hemoglobin") == {"unmapped": (3, (f"{LABO}|HB",))}
    assert gaps(found, "leukocytes") == {"no-data": (0, ())}
    assert gaps(found, "study_drugs") == {}
    assert gaps(found, "lutathera")["unmapped"] == (1, ("urn:hopital:pui|9001",))
    assert gaps(found, "albumin").keys() >= {"no-unit", "unknown-unit"}
    assert gaps(found, "platelets") == {}


def test_coverage_counts_a_mapped_shared_drug_for_who_was_given_it(local: Store, trial: Trial) -> None:
    site = replace(SITE, concept_map={("urn:hopital:pui", "9001"): (("http://www.whocc.no/atc", "V10XX04"),)})

    found = datum(read_coverage(local, trial, site), "lutathera").stored

    assert (found.results, found.persons) == (4, 3)


def test_coverage_asks_for_a_limit_of_normal_until_the_site_declares_one(tmp_path: Path, trial: Trial) -> None:
    feed = [patient("1"), result("1", "1", "1742-6", 30, "U/L", system=LOINC)]
    with stored(tmp_path, feed) as store:
        assert gaps(read_coverage(store, trial, SITE), "alt") == {"no-reference-range": (1, ())}
        assert gaps(read_coverage(store, trial, load_site("clinic", EXAMPLE)), "alt") == {}


def test_coverage_takes_one_of_several_that_answer_the_same(tmp_path: Path, trial: Trial) -> None:
    feed = [patient("1"), {**result("1", "1", "6301-6", 1, None, system=LOINC), "referenceRange": [{"text": "< 1,2"}]}]
    with stored(tmp_path, feed) as store:
        found = read_coverage(store, trial, SITE)

    assert [gaps(found, what) for what in ("inr", "tp_percent", "prothrombin_seconds")] == [{}, {}, {}]


def test_coverage_does_not_miss_a_diagnosis_that_nobody_has(local: Store, tmp_path: Path, trial: Trial) -> None:
    with stored(tmp_path, [patient("1")]) as empty:
        assert gaps(read_coverage(empty, trial, SITE), "nephrotic") == {"no-data": (0, ())}
    assert gaps(read_coverage(local, trial, SITE), "nephrotic") == {}
