"""In: the state in SQLite, and in a real PostgreSQL server. Out: the same promises of both: tables, verdicts, decisions, worklist, trail, pages."""

from __future__ import annotations

import csv
import io
import re
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from fastapi.testclient import TestClient
from sqlalchemy import create_engine, text

from adapter.accounts import Role
from adapter.config import Settings, load_settings
from adapter.criteria import Stage, Trial
from adapter.documents import load_trial
from adapter.errors import StateUnavailableError
from adapter.screening import Bin, read_worklist
from adapter.screening.listing import Search, every_row, read_page, refresh
from adapter.service import create_app
from adapter.store import StaleDecisionError, Store, Whom
from adapter.store.cards import CardFeedback, ShownCard
from adapter.store.compaction import FAN
from adapter.store.models import Base
from adapter.sync import FolderSource, pull
from tests.support.clinic import patient, write_feed
from tests.support.long_list import save_at
from tests.support.people import HOME, add_person, browser_of, fields
from tests.support.postgres import new_database, running_postgres
from tests.support.screened import ON, SITE, TRIAL, criterion, fill_store, verdict

STAGE = Stage.REGISTRATION


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """A PostgreSQL server of these tests' own."""
    with running_postgres() as found:
        yield found


@pytest.fixture(params=["sqlite", "postgresql"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Settings]:
    """Settings of a store with its state in each database."""
    found = load_settings(None, store=tmp_path / "var")
    with ExitStack() as stack:
        url = None
        if request.param == "postgresql":
            url = stack.enter_context(new_database(request.getfixturevalue("server")))
        yield found.model_copy(update={"store": found.store.model_copy(update={"database": url})})


@pytest.fixture
def store(settings: Settings, tmp_path: Path) -> Iterator[Store]:
    """Open, with one patient for each place of the worklist."""
    with Store.open(settings.store.path, settings.store.database) as opened:
        fill_store(opened, tmp_path / "feed")
        yield opened


@pytest.fixture(scope="module")
def trial() -> Trial:
    return load_trial(TRIAL)


def test_migrations_make_the_tables_of_the_models(store: Store) -> None:
    with store._state.engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), Base.metadata)

    assert differences == []


def test_a_store_opens_again_where_it_was(settings: Settings, store: Store) -> None:
    with Store.open(settings.store.path, settings.store.database) as again:
        assert again.decisions(TRIAL).keys() == store.decisions(TRIAL).keys()


def test_the_latest_verdict_holds_and_all_are_kept(store: Store) -> None:
    at = datetime(2025, 6, 2, tzinfo=UTC)
    save_at(store, SITE, verdict("low", "eligible"), at=at)
    latest = {one.patient: one.screened_at for one in store.latest_verdicts(TRIAL, STAGE, site=SITE)}
    history = store.verdict_history(TRIAL, STAGE, site=SITE, patients=["Patient/low"])

    assert latest["Patient/low"] == at
    assert [one.first_at.day for one in history["Patient/low"]] == [1, 2]


def test_of_two_who_decide_at_once_the_second_is_told(settings: Settings, store: Store) -> None:
    outcomes: list[str] = []
    ready = threading.Barrier(2)

    def decide(name: str) -> None:
        with Store.open(settings.store.path, settings.store.database) as own:
            ready.wait(10)
            try:
                own.decide(
                    SITE, "Patient/low", trial=TRIAL, state="contacted", reason="to-contact", by=name, expected=0
                )
                outcomes.append("done")
            except StaleDecisionError:
                outcomes.append("told")

    threads = [threading.Thread(target=decide, args=(name,)) for name in ("anna", "bertil")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert sorted(outcomes) == ["done", "told"]
    assert [one.version for one in store.decision_history(TRIAL) if one.patient == "Patient/low"] == [1]


def test_the_list_follows_verdicts_decisions_records_and_deletions(store: Store, trial: Trial, tmp_path: Path) -> None:
    def same() -> bool:
        assert refresh(store, trial, STAGE, SITE)
        return list(every_row(store, trial, STAGE, sites=[SITE])) == read_worklist(store, trial, STAGE, site=SITE)

    assert same()
    store.decide(SITE, "Patient/course", trial=TRIAL, state="contacted", reason="to-contact", by="nurse")
    assert same()
    save_at(store, SITE, verdict("course", "ineligible", criterion("I11", "F")), at=datetime.now(UTC))
    assert same()
    numbered = patient("low", identifier=[{"system": "urn:ipp", "value": "4 711"}], active=False)
    pull(store, FolderSource(write_feed(tmp_path / "low", [{**numbered, "meta": {"versionId": "2"}}])), site=SITE)
    assert same()
    store.add_candidate(SITE, "Patient/pancreas", trial=TRIAL, by="nurse")
    assert same()
    found = {row.patient: row for row in every_row(store, trial, STAGE, sites=[SITE])}
    assert found["Patient/course"].bin is Bin.NO_LONGER_ELIGIBLE
    assert found["Patient/low"].markers == ("record-inactive",)


def test_merged_segments_are_no_news_to_the_list(store: Store, trial: Trial, tmp_path: Path) -> None:
    made = refreshed(store, trial)
    before = store.lake.mark(SITE)
    for number in range(FAN):
        feed = write_feed(tmp_path / f"more-{number}", [patient(f"more-{number}")])
        pull(store, FolderSource(feed), site=SITE)
    with store.begin_run(SITE, "compact") as run:
        store.lake.compact(run, fan=2)
        run.commit([])

    assert len(store.lake.index_files(SITE, "Patient")) == 1
    assert store.lake.mark(SITE).versions == before.versions + FAN
    assert refreshed(store, trial) == made


def refreshed(store: Store, trial: Trial) -> list[object]:
    """The rows of the list, brought up to date."""
    assert refresh(store, trial, STAGE, SITE)
    return list(every_row(store, trial, STAGE, sites=[SITE]))


def test_person_is_forgotten_alike(store: Store, trial: Trial) -> None:
    refresh(store, trial, STAGE, SITE)
    before = {row.patient for row in read_worklist(store, trial, STAGE)}
    found = store.forget(SITE, Whom("Patient/low", ("Patient/low",)), by="dpo", reason="erasure")

    assert before - {row.patient for row in read_worklist(store, trial, STAGE)} == {"Patient/low"}
    assert found.rows["verdict"] == 1
    assert store.verdict_of(SITE, "Patient/low", trial=TRIAL, stage=STAGE) is None
    assert [line.action for line in store.audit_trail()][-1] == "forget"
    assert store.kept_off.patients(SITE) == {"Patient/low": "Patient/low"}
    assert store.kept_off.remove(SITE, "Patient/low") == 1


def test_pages_come_in_the_order_of_bytes_whatever_the_server_sorts_by(store: Store, trial: Trial) -> None:
    names = ["a-b", "ab", "aB", "A-c", "éa", "z", "1"]
    save_at(store, SITE, *(verdict(name, "ready-for-investigator") for name in names))
    refresh(store, trial, STAGE, SITE)
    search = Search(bins=(Bin.NEW,))
    pages = [read_page(store, trial, STAGE, sites=[SITE], search=search, offset=at, limit=3) for at in range(0, 9, 3)]

    shown = [row.patient for page in pages for row in page.rows]
    assert shown == sorted([*(f"Patient/{name}" for name in names), "Patient/ready"])
    assert pages[0].total == len(shown)


@pytest.mark.parametrize(
    ("search", "expected"),
    [
        (Search(text="LOW"), {"low"}),
        (Search(text="%"), set()),
        (Search(criterion="I11"), {"low"}),
        (Search(markers=("deceased",)), {"deceased"}),
        (Search(markers=("new",), today=ON + timedelta(days=30)), set()),
        (Search(bins=(Bin.NOT_ELIGIBLE, Bin.NOT_NOW)), {"low", "pancreas", "deceased"}),
        (Search(bins=(Bin.NOT_ELIGIBLE,), markers=("deceased",), text="d"), {"deceased"}),
    ],
)
def test_the_list_is_searched_alike(store: Store, trial: Trial, search: Search, expected: set[str]) -> None:
    refresh(store, trial, STAGE, SITE)
    found = read_page(store, trial, STAGE, sites=[SITE], identity=[SITE], search=search)

    assert {row.patient.removeprefix("Patient/") for row in found.rows} == expected
    assert found.total == len(expected)


@pytest.mark.parametrize("order", ["flips", "last", "new"])
def test_every_order_has_everybody_once(store: Store, trial: Trial, order: str) -> None:
    refresh(store, trial, STAGE, SITE)
    found = read_page(store, trial, STAGE, sites=[SITE], search=Search(order=order))

    assert len({row.key for row in found.rows}) == found.total == 7


def test_rows_made_by_several_at_once_are_those_made_from_nothing(
    settings: Settings, store: Store, trial: Trial
) -> None:
    failed: list[BaseException] = []

    def work(number: int) -> None:
        try:
            with Store.open(settings.store.path, settings.store.database) as own:
                for turn in range(4):
                    who = f"q{number}{turn}"
                    save_at(own, SITE, verdict(who, "ready-for-investigator"), at=datetime.now(UTC))
                    own.decide(SITE, f"Patient/{who}", trial=TRIAL, state="contacted", reason="to-contact", by="nurse")
                    refresh(own, trial, STAGE, SITE)
        except BaseException as error:  # noqa: BLE001 - told below, in the test's own thread
            failed.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    refresh(store, trial, STAGE, SITE)

    assert failed == []
    assert list(every_row(store, trial, STAGE, sites=[SITE])) == read_worklist(store, trial, STAGE, site=SITE)


def test_the_audit_trail_only_grows_and_is_read_by_site(store: Store) -> None:
    store.audit("anna", "view-patient", subject=f"{SITE}/Patient/low")
    lines = store.audit_trail()

    assert (lines[-1].actor, lines[-1].action, lines[-1].subject) == ("anna", "view-patient", f"{SITE}/Patient/low")


def test_pages_and_csv_are_served_alike(settings: Settings, store: Store) -> None:
    with TestClient(create_app(settings, token="t", today=lambda: ON), base_url=HOME) as client:
        client.get("/login?token=t")
        client.headers["Accept-Language"] = "en"
        text = client.get("/").text
        searched = client.post("/", data=fields(client, text="low")).text
        rows = list(csv.DictReader(io.StringIO(client.get("/worklist.csv").text)))
        total = client.get("/api/worklist?limit=3").json()["total"]

    assert re.findall(r'<a href="/patients/[\w-]+">([\w-]+)</a>', text) == [
        "ready",
        "liver",
        "course",
        "low",
        "deceased",
        "pancreas",
        "declined",
    ]
    assert "1 patient with a number that contains" in searched
    assert len(rows) == total == 7


def test_sign_that_not_every_database_keeps_is_nobody_s(settings: Settings, store: Store) -> None:
    add_person(store, "anna", roles={SITE: [Role.INVESTIGATOR]})
    app = create_app(settings, today=lambda: ON)
    with TestClient(app, base_url=HOME, follow_redirects=False) as door:
        token = re.search(r'name="csrf" value="([^"]+)"', door.get("/sign-in").text)
        assert token is not None
        refused = door.post("/sign-in", data={"name": "anna\0", "password": "x", "csrf": token[1]})
        account = store.accounts.by_name("anna")
        assert account is not None
        client = browser_of(app, account)
        searched = client.post("/", data=fields(client, text="l\0w"))
        found = client.post("/api/find", json={"number": "l\0w"})
        unsettled = client.get("/api/conflicts?site=%00")

    assert [refused.status_code, searched.status_code, found.status_code, unsettled.status_code] == [401, 200, 200, 200]
    assert "0 patients with a number that contains" in searched.text
    assert (found.json()["found"], unsettled.json()["conflicts"]) == ([], [])


def test_what_a_card_must_know_of_a_person_is_answered_alike(store: Store) -> None:
    patient_ = "Patient/low"
    key = store.patient_key(SITE, patient_)
    store.add_candidate(SITE, patient_, trial=TRIAL, by="anna")
    store.decide(SITE, patient_, trial=TRIAL, state="contacted", reason="to-contact", by="anna")
    card = ShownCard(
        uuid="0b6b3c1e-6f0e-4f0e-9a53-0d7f4f0e9a53",
        service="reluth-patient-view",
        hook_instance="0b6b3c1e-6f0e-4f0e-9a53-0d7f4f0e9a54",
        trial=TRIAL,
        site=SITE,
        patient=patient_,
        client="ehr",
        user="Practitioner/7",
        outcome="eligible",
        signature="s",
        suggestion=None,
    )
    store.cards.show(card, actor="cds:ehr")
    overridden = CardFeedback("overridden", datetime(2025, 6, 1, tzinfo=UTC), reason="other")
    store.cards.take_feedback([(card, overridden)], actor="cds:ehr")

    known = store.cards.known(SITE, [patient_, "Patient/old"], trial=TRIAL, stage=STAGE)
    nobody = store.cards.known(SITE, ["Patient/nobody"], trial=TRIAL, stage=STAGE)

    assert known.verdict is not None
    assert (known.key, known.is_added) == (key, True)
    assert known.decided is not None
    assert known.decided.state == "contacted"
    assert known.decided.at.tzinfo is not None
    assert [(one.service, one.reason, one.at.tzinfo is not None) for one in known.overrides] == [
        ("reluth-patient-view", "other", True)
    ]
    assert (nobody.verdict, nobody.decided, nobody.overrides, nobody.key, nobody.is_added) == (
        None,
        None,
        (),
        None,
        False,
    )
    until = datetime(2099, 1, 1, tzinfo=UTC)
    assert [store.cards.use_token("i", "1", until=until) for _ in range(2)] == [True, False]


@pytest.fixture
def far(server: str, tmp_path: Path) -> Iterator[tuple[Store, str]]:
    """A store with its state in PostgreSQL, and the url of its database."""
    with new_database(server) as url, Store.open(tmp_path / "far", url) as opened:
        yield opened, url


def end_connections(server: str, url: str) -> None:
    """As a restart of the server does: whoever is connected is no more."""
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        ended = text("select pg_terminate_backend(pid) from pg_stat_activity where datname = :name")
        connection.execute(ended, {"name": url.rpartition("/")[2]})
    engine.dispose()


def kept(store: Store) -> tuple[int, int]:
    return len(store.decision_history(TRIAL)), len(store.audit_trail())


def decide(store: Store) -> None:
    store.decide(SITE, "Patient/1", trial=TRIAL, state="contacted", reason="to-contact", by="anna")


def test_server_that_was_restarted_between_two_requests_is_found_again(server: str, far: tuple[Store, str]) -> None:
    store, url = far
    decide(store)
    end_connections(server, url)
    decide(store)

    assert kept(store) == (2, 0)


def test_server_that_is_restarted_in_the_midst_leaves_nothing_by_half(server: str, far: tuple[Store, str]) -> None:
    store, url = far

    def cut() -> None:
        with store.together():
            decide(store)
            end_connections(server, url)
            store.audit("anna", "decide", subject="icm/Patient/1")

    with pytest.raises(StateUnavailableError, match="nothing is kept by half"):
        cut()

    assert kept(store) == (0, 0)


def test_run_whose_connection_ends_lets_the_site_go(server: str, far: tuple[Store, str]) -> None:
    store, url = far
    with store.begin_run(SITE, "pull"):
        end_connections(server, url)

    assert store.runs()[0].state == "failed"
    store.begin_run(SITE, "pull").close()


def test_time_limit_of_the_server_is_to_be_tried_again(far: tuple[Store, str]) -> None:
    store, url = far
    engine = create_engine(url)
    with engine.connect() as other:
        other.execute(text("lock table decision in access exclusive mode"))
        with store._state.engine.connect() as connection:
            connection.execute(text("set statement_timeout = '20ms'"))
            connection.commit()
        with pytest.raises(StateUnavailableError, match="QueryCanceled"):
            decide(store)
    engine.dispose()

    assert kept(store) == (0, 0)


def test_verdicts_of_an_earlier_release_are_packed_and_say_what_they_said(settings: Settings, store: Store) -> None:
    save_at(store, SITE, verdict("low", "ineligible", criterion("I11", "F")), at=datetime(2025, 6, 2, tzinfo=UTC))
    # Another release said something else of the same input and day: the one before had room for the newer alone.
    save_at(store, SITE, verdict("low", "ineligible"), at=datetime(2025, 6, 2, 1, tzinfo=UTC))
    before = list(store.latest_verdicts(TRIAL, STAGE))
    config = Config()
    config.set_main_option("script_location", "adapter.store:migrations")
    with store._state.engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "0014")
        plain = connection.exec_driver_sql("select content from verdict").scalars().all()
    with Store.open(settings.store.path, settings.store.database) as again:
        with again._state.engine.connect() as connection:
            kept = connection.exec_driver_sql("select content from verdict").scalars().all()
            differences = compare_metadata(MigrationContext.configure(connection), Base.metadata)
        after = list(again.latest_verdicts(TRIAL, STAGE))

        sizes, damaged = again.verdict_sizes()[SITE], list(again.damaged_verdicts())

    assert all(isinstance(one, str) and one.startswith("{") for one in plain)
    assert sizes == (len(kept), sum(map(len, kept)))
    assert damaged == []
    assert all(isinstance(one, bytes) for one in kept)
    assert after == before
    assert differences == []
