"""In: a store in which much waits for a person. Out: `reluth conflicts` lists it without patient content, and settles one."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapter.cli.patients import actor
from adapter.config import Settings
from adapter.service.language import load_words
from adapter.store import Store
from tests.support.cli import Ran, reluth
from tests.support.screened import HOSTILE, SITE
from tests.support.unsettled import SECRET, lab_key, unsettled_store

COMPLETE = ("conflicts", "waiting", "proposals")


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    with unsettled_store(tmp_path_factory.mktemp("unsettled")) as found:
        yield found


class Desk:
    """A store of its own, and `reluth conflicts` on it."""

    def __init__(self, store: Path) -> None:
        self.store = store

    def run(self, *arguments: str) -> Ran:
        return reluth("--store", self.store, "conflicts", *arguments)

    def open_numbers(self) -> list[int]:
        return [one["number"] for one in self.run("--json").object["conflicts"]]


@pytest.fixture
def desk(filled: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    shutil.copytree(filled.store.path, tmp_path / "var")
    monkeypatch.chdir(tmp_path)
    return Desk(tmp_path / "var")


def test_conflicts_lists_what_waits_and_returns_5(desk: Desk) -> None:
    ran = desk.run()

    assert ran.code == 5
    assert "icm  conflicts 5, held 25, refused 1, proposals 1" in ran.out
    assert "elsewhere  refused 1" in ran.out
    for path in ("Observation.status", "Observation.valueQuantity.value"):
        assert path in ran.out
    for reason in ("patient-missing", "server"):
        assert load_words().say(f"conflicts.reason-{reason}", "en") in ran.out
    assert "422, Observation.code: required" in ran.out
    assert "icm/ready" in ran.out


@pytest.mark.parametrize("arguments", [(), ("--json",)])
def test_conflicts_shows_no_value_unless_asked(desk: Desk, arguments: tuple[str, ...]) -> None:
    closed, shown = desk.run(*arguments), desk.run("--values", *arguments)

    assert SECRET not in closed.out + closed.err + shown.err
    assert SECRET in shown.out


def test_conflicts_json_holds_all_that_waits(desk: Desk) -> None:
    found = desk.run("--json", "--values").object

    assert list(found) == ["sites", *COMPLETE]
    assert [len(found[name]) for name in COMPLETE] == [5, 27, 1]
    assert found["conflicts"][0]["fields"][-1] == {
        "path": "Observation.valueQuantity.value",
        "ours": "12.1",
        "hospital": SECRET,
    }


def test_conflicts_of_one_site_are_its_own(desk: Desk) -> None:
    found = desk.run("--site", "elsewhere", "--json").object

    assert [len(found[name]) for name in COMPLETE] == [0, 1, 0]
    assert found["sites"] == [{"site": "elsewhere", "conflicts": 0, "held": 0, "refused": 1, "proposals": 0}]


def test_conflicts_speaks_french(desk: Desk) -> None:
    ran = desk.run("--lang", "fr")

    assert load_words().say("conflicts.todo-patient-missing", "fr") in ran.out
    assert "retenus 25" in ran.out


def test_conflicts_of_an_unknown_site_is_a_usage_error(desk: Desk) -> None:
    ran = desk.run("--site", "icn")

    assert (ran.code, ran.out) == (2, "")
    assert "elsewhere, icm" in ran.err


def test_conflicts_returns_0_where_nothing_is_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Store.open(tmp_path / "var").close()

    told, counted = Desk(tmp_path / "var").run(), Desk(tmp_path / "var").run("--json")

    assert (told.code, told.out, told.err) == (0, "", "nothing is to be settled\n")
    assert (counted.code, counted.object) == (0, {"sites": [], "conflicts": [], "waiting": [], "proposals": []})


@pytest.mark.parametrize("keep", ["ours", "hospital"])
def test_settle_keeps_a_side_and_is_audited(desk: Desk, keep: str) -> None:
    ran = desk.run("--settle", "1", "--keep", keep, "--json")

    assert ran.code == 0
    assert ran.object == {"number": 1, "site": SITE, "kind": "labs", "key": lab_key("L-1"), "kept": keep}
    assert f"reluth push --site {SITE}" in ran.err
    assert desk.open_numbers() == [2, 3, 4, 5]
    with Store.open(desk.store) as store:
        entry = store.audit_trail()[-1]
    assert (entry.actor, entry.action) == (actor(), "settle")
    assert (entry.subject, entry.detail) == (f"{SITE}/labs/{lab_key('L-1')}", f"kept {keep}")


def test_settle_a_second_time_says_that_it_was_settled(desk: Desk) -> None:
    desk.run("--settle", "1", "--keep", "ours")

    ran = desk.run("--settle", "1", "--keep", "hospital")

    assert ran.code == 2
    assert "settled meanwhile" in ran.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ("--settle", "4", "--keep", "ours"),
            "more than once (Observation/hospital-L-4, Observation/hospital-L-4-again)",
        ),
        (("--settle", "5", "--keep", "hospital"), "cannot be read"),
        (("--settle", "99", "--keep", "ours"), "none by this number"),
        (("--settle", "1", "--keep", "theirs"), "ours or hospital"),
        (("--settle", "1", "--keep", "ours", "--site", "elsewhere"), "site elsewhere has none open"),
        (("--settle", "1"), "go together"),
        (("--keep", "ours"), "go together"),
        (("--lang", "de"), "en and fr"),
    ],
)
def test_settle_that_cannot_be_done_changes_nothing_and_returns_2(
    desk: Desk, arguments: tuple[str, ...], said: str
) -> None:
    ran = desk.run(*arguments)

    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err
    assert SECRET not in ran.err
    assert desk.open_numbers() == [1, 2, 3, 4, 5]


def test_conflicts_prints_nothing_that_a_terminal_would_obey(desk: Desk) -> None:
    with Store.open(desk.store) as store:
        entry = next(one for one in store.outbox.entries(SITE) if one.key == lab_key("L-40"))
        store.outbox.put_aside(entry, entry.state, reason="\x1b[2Jserver", detail="\x9b31m", mapping="1")

    ran = desk.run("--values")

    assert HOSTILE.partition('"')[0] in ran.out
    assert not {"\x1b", "\x9b"} & set(ran.out)
