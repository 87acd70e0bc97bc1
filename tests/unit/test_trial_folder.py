"""In: a folder with a trial's documents. Out: the trial, or the fault in the folder's own name."""

from __future__ import annotations

import shutil
from importlib.resources import files
from pathlib import Path

import pytest

from adapter.criteria.exchange import differences
from adapter.documents import load_trial, load_trial_folder
from adapter.errors import DocumentError, UsageError

TRIAL = "nct04954820"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of ReLUTH's documents."""
    return Path(shutil.copytree(str(files("mappings") / "trials" / TRIAL), tmp_path / "newer"))


def test_a_copied_folder_is_the_same_trial(folder: Path) -> None:
    assert differences(load_trial(TRIAL), load_trial_folder(folder)) == []


def test_a_changed_folder_is_read_again_and_not_from_memory(folder: Path) -> None:
    load_trial_folder(folder)
    criteria = folder / "criteria.yaml"
    criteria.write_text(criteria.read_text(encoding="utf-8").replace("at_least: 18", "at_least: 21"), encoding="utf-8")

    assert load_trial_folder(folder).criterion("I01").node != load_trial(TRIAL).criterion("I01").node


def test_a_folder_without_a_trial_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no trial\.yaml"):
        load_trial_folder(tmp_path)


def test_a_missing_document_is_named_without_the_machines_path(folder: Path) -> None:
    (folder / "criteria.yaml").unlink()

    with pytest.raises(DocumentError, match=r"^newer/criteria\.yaml#"):
        load_trial_folder(folder)
