"""In: three subjects whose records change, step by step. Out: that a package refreshed in its place is the package of a first export, byte for byte.

Each chain is a hospital of its own; each step of it is a random sequence of new, corrected and deleted resources, after which the package
in the same folder is made again. It must be what the store gives into a new folder, and what a store gives that only ever saw the last
state and was given the same secret, pseudonyms and numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from adapter.store import Store
from tests.support.datasets import (
    Hospital,
    Resource,
    bytes_of,
    centre,
    compiled_once,
    copy_numbers,
    export_to,
    keys_of,
    numbers_in,
    read_feed,
    settings_of,
    store_of,
)

#: Chains and steps: 20 sequences, or 500.
_CHAINS, _STEPS = 4, 5

Keys = dict[tuple[str, str, int], str]


@pytest.fixture(scope="module")
def resources(tmp_path_factory: pytest.TempPathFactory) -> list[Resource]:
    """Three subjects, not all of their results."""
    return read_feed(centre(tmp_path_factory.mktemp("feed") / "F", 3), thinned=True)


@pytest.fixture(autouse=True, scope="module")
def compiled() -> Iterator[None]:
    with compiled_once():
        yield


@pytest.mark.parametrize("chain", range(_CHAINS))
def test_refresh_after_any_sequence_is_the_full_rebuild(chain: int, resources: list[Resource], tmp_path: Path) -> None:
    run_chain(chain, resources, tmp_path, steps=_STEPS)


@pytest.mark.prove
@pytest.mark.parametrize("chain", range(_CHAINS, _CHAINS + 50))
def test_refresh_after_500_sequences_is_the_full_rebuild(chain: int, resources: list[Resource], tmp_path: Path) -> None:
    run_chain(chain, resources, tmp_path, steps=10)


@pytest.mark.parametrize("form", ["fhir", "views"])
def test_refresh_of_resources_and_views_is_the_full_rebuild(
    form: str, resources: list[Resource], tmp_path: Path
) -> None:
    run_chain(99, resources, tmp_path, steps=1, form=form)


def run_chain(chain: int, resources: list[Resource], folder: Path, *, steps: int, form: str = "sdtm") -> None:
    """One hospital's way, one package that is refreshed in its place."""
    settings = settings_of(folder)
    hospital = Hospital(folder, Random(f"chain {chain}"))
    package = folder / "package"
    with Store.open(settings.store.path) as store:
        hospital.open(store, resources)
        export_to(store, settings, package, form)
        first = bytes_of(package)
        ever = keys_of(store)
        for step in range(steps):
            done = hospital.step(store)
            export_to(store, settings, package, form)
            refreshed = bytes_of(package)

            assert _of_fresh_store(store, hospital, folder / f"fresh-{step}", form) == refreshed, done
            if form == "sdtm":
                _check_numbers(ever, keys_of(store), package, done)
                ever = keys_of(store)
        assert _of_new_folder(store, folder / "new", form) == refreshed

    assert first != refreshed


def _of_new_folder(store: Store, folder: Path, form: str) -> dict[str, bytes]:
    export_to(store, settings_of(folder), folder, form)
    return bytes_of(folder)


def _of_fresh_store(store: Store, hospital: Hospital, folder: Path, form: str) -> dict[str, bytes]:
    settings = settings_of(folder)
    with store_of(settings, hospital.write(folder / "F")) as fresh:
        copy_numbers(store, fresh)
        export_to(fresh, settings, folder / "package", form)
    return bytes_of(folder / "package")


def _check_numbers(before: Keys, now: Keys, package: Path, done: str) -> None:
    """A number belongs to the same record for good, so that none is given again, and none is changed."""
    assert before.items() <= now.items(), done
    highest = {
        place: max(number for *of, number in before if tuple(of) == place) for place in {key[:2] for key in before}
    }
    new = now.keys() - before.keys()
    assert all(number > highest.get((domain, subject), 0) for domain, subject, number in new), done
    for record, behind in numbers_in(package).items():
        # What a record is known by is one of the resources that it is made of, or the subject and a place in its way.
        known_by = now[record].partition("#")[0]
        assert known_by in behind or known_by == f"Patient/{record[1]}", (record, done)
