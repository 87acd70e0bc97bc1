"""Promises of published packages: whole or not there, as the manifest says, never changed."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from adapter.datasets.provider import package, packages, publish
from adapter.errors import UsageError
from adapter.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "var") as opened:
        yield opened


def made(folder: Path, files: dict[str, bytes], **told: Any) -> Path:
    """A package with its manifest."""
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    digests = {path: hashlib.sha256(content).hexdigest() for path, content in files.items()}
    (folder / "manifest.json").write_text(json.dumps({"files": digests, **told}))
    return folder


FILES = {"sdtm/xpt/dm.xpt": b"dm", "findings.csv": b"code\n"}


def test_package_is_known_by_its_manifest_and_read_back_as_it_was(tmp_path: Path, store: Store) -> None:
    folder = made(tmp_path / "out", FILES, sites=["icm"])
    package_id = publish(folder, store)
    found = package(store, package_id)

    assert package_id == hashlib.sha256((folder / "manifest.json").read_bytes()).hexdigest()
    assert found is not None
    assert [file.path for file in found.files] == ["findings.csv", "manifest.json", "sdtm/xpt/dm.xpt"]
    assert {file.path: (found.folder / file.path).read_bytes() for file in found.files if file.path in FILES} == FILES
    assert found.sites == ("icm",)
    assert [one.id for one in packages(store)] == [package_id]


def test_package_published_twice_is_one(tmp_path: Path, store: Store) -> None:
    folder = made(tmp_path / "out", FILES)

    assert publish(folder, store) == publish(folder, store)
    assert len(packages(store)) == 1
    assert len(list((store.folder / "datasets/packages").iterdir())) == 1


def test_change_of_the_folder_does_not_reach_what_was_published(tmp_path: Path, store: Store) -> None:
    folder = made(tmp_path / "out", FILES)
    first = publish(folder, store)
    made(folder, {**FILES, "findings.csv": b"other\n"})
    second = publish(folder, store)
    found = package(store, first)

    assert first != second
    assert found is not None and (found.folder / "findings.csv").read_bytes() == FILES["findings.csv"]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda folder: (folder / "findings.csv").write_bytes(b"tampered"),
        lambda folder: (folder / "findings.csv").unlink(),
        lambda folder: (folder / "more.txt").write_bytes(b""),
        lambda folder: (folder / ".hidden").write_bytes(b""),
        lambda folder: (folder / "link").symlink_to("/etc/hosts"),
        lambda folder: (folder / "manifest.json").unlink(),
        lambda folder: (folder / "manifest.json").write_text("[]"),
        lambda folder: (folder / "manifest.json").write_text("{}"),
        lambda folder: os.mkfifo(folder / "pipe"),
    ],
    ids=["tampered", "missing", "unknown", "hidden", "link", "no manifest", "no object", "no digests", "no file"],
)
def test_folder_that_is_no_whole_package_is_refused_and_leaves_nothing(
    tmp_path: Path, store: Store, spoil: Any
) -> None:
    folder = made(tmp_path / "out", FILES)
    spoil(folder)

    with pytest.raises(UsageError):
        publish(folder, store)
    assert packages(store) == []
    home = store.folder / "datasets/packages"
    assert not home.exists() or list(home.iterdir()) == []


def test_package_lies_where_only_the_owner_may_go(tmp_path: Path, store: Store) -> None:
    publish(made(tmp_path / "out", FILES), store)
    home = store.folder / "datasets/packages"

    assert {item.stat().st_mode & 0o077 for item in [home, *home.rglob("*")]} == {0}


@pytest.mark.parametrize("name", ["../state.sqlite", "0" * 63, "", "A" * 64])
def test_name_that_is_none_of_a_package_finds_none(store: Store, name: str) -> None:
    assert package(store, name) is None


def test_client_of_some_sites_may_have_packages_of_those_alone(tmp_path: Path, store: Store) -> None:
    facts: dict[str, dict[str, Any]] = {
        "one": {"sites": ["icm"]},
        "both": {"options": {"sites": ["icm", "chu_nord"]}},
        "silent": {"study": "RELUTH"},
    }
    one, both, silent = (
        package(store, publish(made(tmp_path / name, FILES, **told), store)) for name, told in facts.items()
    )
    assert one is not None and both is not None and silent is not None

    assert [found.may_be_had(["icm"]) for found in (one, both, silent)] == [True, False, False]
    assert [found.may_be_had([]) for found in (one, both, silent)] == [True, True, True]
