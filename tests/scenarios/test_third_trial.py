"""In: the trial that docs/add-a-trial.md prints, in a folder of its own; the small clinic. Out: it is loaded and screened, and no Python knows of a second trial."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from adapter.criteria import PatientVerdict, Stage, Trial
from adapter.documents import load_trial, load_trial_folder
from adapter.errors import DocumentError
from adapter.screening import Asked, read_funnel, read_log, read_worklist, screen
from adapter.store import Store
from adapter.sync import FolderSource, pull
from adapter.terminology import Site
from tests.support.cli import reluth
from tests.support.clinic import ON, clinic, write_feed
from tests.support.pages import ROOT, text

FILES = ("trial.yaml", "criteria.yaml", "value-sets.yaml", "concepts.yaml")
#: START-NET's id in any spelling, and its number.
SECOND = re.compile(r"start[-_ ]?net|05387603", re.IGNORECASE)
SITE = Site.plain("clinic")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The documents of the page, as files."""
    found = tmp_path / "example-trial"
    found.mkdir()
    for name in FILES:
        blocks = re.findall(
            rf"^`{re.escape(name)}`:\n\n```yaml\n(.*?)^```$", text("add-a-trial.md"), re.MULTILINE | re.DOTALL
        )
        (found / name).write_text("\n".join(blocks), encoding="utf-8")
    return found


@pytest.fixture
def trial(folder: Path) -> Trial:
    """That trial."""
    return load_trial_folder(folder)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """The small clinic, pulled."""
    feed = write_feed(tmp_path / "feed", clinic())
    with Store.open(tmp_path / "store") as found:
        pull(found, FolderSource(feed), site=SITE.id)
        yield found


def _screened(store: Store, trial: Trial) -> dict[str, PatientVerdict]:
    asked = Asked(today=date.fromisoformat(ON), on=date.fromisoformat(ON))
    return {verdict.patient: verdict for verdict in screen(store, trial, SITE, asked)}


def test_a_trial_of_ones_own_folder_is_loaded(trial: Trial) -> None:
    assert (trial.id, [criterion.id for criterion in trial.criteria]) == ("example-trial", ["I01", "I02", "I03"])
    assert trial.concepts.tumour is None


def test_a_trial_of_ones_own_folder_screens(trial: Trial, store: Store) -> None:
    found = _screened(store, trial)

    assert set(found) == {f"Patient/{name}" for name in ("child", "intestinal", "pancreatic", "survivor", "undotted")}
    assert {(item.id, str(item.truth)) for item in found["Patient/intestinal"].criteria} == {
        ("I01", "T"),
        ("I02", "U"),
        ("I03", "U"),
    }
    assert str(found["Patient/child"].outcome) == "ineligible"


def test_a_trial_of_ones_own_folder_has_its_own_lists(trial: Trial, store: Store) -> None:
    other = load_trial("nct04954820")
    _screened(store, trial)

    assert len(read_worklist(store, trial, Stage.REGISTRATION)) == 5
    assert len(read_log(store, trial, Stage.REGISTRATION)) == 5
    assert read_funnel(store, trial, Stage.REGISTRATION).candidates == 5
    assert read_worklist(store, other, Stage.REGISTRATION) == []


def test_a_folder_can_be_checked_before_it_is_part_of_the_package(folder: Path) -> None:
    sound = reluth("criteria", "export", "--as", "cql", "--trial", folder)
    criteria = folder / "criteria.yaml"
    criteria.write_text(
        criteria.read_text(encoding="utf-8").replace("analyte: ecog", "analyte: egoc"), encoding="utf-8"
    )

    wrong = reluth("criteria", "export", "--as", "cql", "--trial", folder)

    assert (sound.code, wrong.code, wrong.out) == (0, 3, "")
    assert "example-trial/criteria.yaml#/criteria/1/rule/laboratory/analyte" in wrong.err


def test_an_expression_that_needs_a_concept_is_refused_where_the_trial_has_none(folder: Path) -> None:
    criteria = folder / "criteria.yaml"
    asking = "{histology: {in: [small_intestine]}}"
    criteria.write_text(criteria.read_text(encoding="utf-8").replace("{attested: I03}", asking), encoding="utf-8")

    with pytest.raises(DocumentError, match="needs a concept of kind tumour"):
        load_trial_folder(folder)


@pytest.mark.parametrize("form", ["group", "evidencevariable", "cql"])
def test_the_second_trial_is_given_to_others_in_every_form(form: str) -> None:
    ran = reluth("criteria", "export", "--as", form, "--trial", "start-net")

    assert ran.code == 0
    assert load_trial("start-net").title in ran.out


def test_no_file_of_the_adapter_names_the_second_trial() -> None:
    files = [path for path in (ROOT / "adapter").rglob("*") if path.is_file() and path.suffix != ".pyc"]
    naming = [
        path.relative_to(ROOT).as_posix()
        for path in files
        if SECOND.search(path.read_text(encoding="utf-8", errors="replace"))
    ]

    assert len(files) > 100
    assert naming == []


def test_no_document_outside_its_folder_names_the_second_trial() -> None:
    own = ROOT / "mappings" / "trials" / "start-net"
    documents = [path for path in (ROOT / "mappings").rglob("*") if path.suffix in (".yaml", ".json", ".py")]
    naming = [path for path in documents if own not in path.parents and SECOND.search(path.read_text(encoding="utf-8"))]

    assert naming == []
    assert any(own in path.parents for path in documents)
