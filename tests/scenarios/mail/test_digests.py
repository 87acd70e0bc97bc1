"""Promises of digests as a whole: nothing of a patient in any byte of them; two machines together send each once."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from adapter.criteria import Stage
from adapter.documents import load_trial
from adapter.screening import number_of
from adapter.store import Store
from tests.support.cli import reluth
from tests.support.clinic import clinic, condition, patient, write_feed
from tests.support.mail_server import mail_server, whole_text
from tests.support.mailing import DUE, SERVICE

FAMILY, GIVEN, NUMBER, BORN, KEY = "Dupont-Lajoie", "Ernestine", "8005551234567", "1947-03-29", "ernestine-x7"
NOTE = "connue du service"
ANNA, BEN = "anna@example.org", "ben@example.org"


def people() -> Iterator[dict[str, Any]]:
    yield from clinic()
    yield patient(
        KEY,
        birthDate=BORN,
        name=[{"family": FAMILY, "given": [GIVEN]}],
        identifier=[{"system": "urn:oid:1.2.250.1.71.4.2.7", "value": NUMBER}],
    )
    yield condition(f"c-{KEY}", KEY, "C17.2", note=[{"text": f"{GIVEN} {FAMILY}, {NOTE}"}])


@pytest.fixture(scope="module")
def screened(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store that was pulled and screened, for all tests of this file to copy."""
    folder = tmp_path_factory.mktemp("centre")
    store = ("--store", folder / "var")
    reluth(*store, "pull", "--site", "clinic", "--from", write_feed(folder / "feed", people()))
    reluth(*store, "screen")
    reluth(*store, "decide", f"clinic/{KEY}", "to-review", "--reason", "other")
    return folder / "var"


@pytest.fixture
def centre(screened: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a store of its own in it."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(screened, tmp_path / "var")
    return tmp_path


def configure(port: int, *to: str, language: str = "fr", **digest: Any) -> Path:
    more = [f"{key} = {json.dumps(value)}" for key, value in digest.items()]
    lines = [
        "[service]",
        f'public_url = "{SERVICE}"',
        "[mail]",
        'host = "127.0.0.1"',
        f"port = {port}",
        'security = "none"',
        'sender = "ReLUTH <reluth@example.org>"',
        "[[mail.digests]]",
        'site = "clinic"',
        "roles = []",
        f"to = {json.dumps(to)}",
        f'language = "{language}"',
        *more,
        "[sites.clinic]",
    ]
    Path("adapter.toml").write_text("\n".join(lines), encoding="utf-8")
    return Path("adapter.toml")


def secrets_of(store: Store) -> set[str]:
    """Whatever tells of one person: ids, numbers, names, addresses of pages, references of evidence."""
    trial = load_trial("nct04954820")
    found = {FAMILY, GIVEN, NUMBER, BORN, NOTE, KEY}
    for one in store.latest_verdicts("nct04954820", "registration"):
        identity = one.patient.removeprefix("Patient/")
        found |= {
            one.patient,
            store.patient_key(one.site, one.patient),
            number_of(store, trial, Stage.REGISTRATION, site=one.site, patient=one.patient),
        }
        found |= {identity} if len(identity) > 7 else set()
        found |= {item["reference"] for answer in json.loads(one.content)["criteria"] for item in answer["evidence"]}
    return found


@pytest.mark.parametrize("language", ["fr", "en"])
def test_no_byte_of_a_digest_tells_of_a_patient(centre: Path, language: str) -> None:
    with mail_server() as server:
        configure(server.port, ANNA, language=language)
        ran = reluth("digest", "--now", "--json")

    assert ran.object["digests"][0]["sent"] == 1
    with Store.open(centre / "var") as store:
        secrets = secrets_of(store)
        rows = list(store.latest_verdicts("nct04954820", "registration"))
    assert len(rows) > 5 and len(secrets) > 20
    said = whole_text(server.taken[0][1]).casefold()
    assert [secret for secret in secrets if secret.casefold() in said] == []
    assert [secret for secret in secrets if secret.casefold() in (ran.out + ran.err).casefold()] == []


@contextmanager
def _killed_at_the_end(command: list[str], folder: Path) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(command, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def test_two_machines_that_send_at_once_send_each_reader_one(centre: Path) -> None:
    readers = [f"reader{number}@example.org" for number in range(12)]
    with mail_server() as server:
        config = configure(server.port, *readers)
        command = [sys.executable, "-m", "tests.support.mailing_process", str(config.absolute()), DUE.isoformat()]
        root = Path(__file__).resolve().parents[3]
        with ExitStack() as stack:
            both = [stack.enter_context(_killed_at_the_end(command, root)) for _ in range(2)]
            for process in both:
                assert process.stdout is not None
                assert process.stdout.readline() == "ready\n"
            for process in both:
                assert process.stdin is not None
                process.stdin.write("\n")
                process.stdin.flush()
            ended = [json.loads(process.communicate(timeout=60)[0])["digests"][0] for process in both]

    assert sorted(server.recipients) == sorted(readers)
    assert sum(one["sent"] for one in ended) == len(readers)
    assert all(one["sent"] + one["already"] == len(readers) for one in ended)


def test_process_that_is_killed_while_the_server_takes_a_message_is_made_good(centre: Path) -> None:
    running: list[subprocess.Popen[str]] = []

    def kill() -> None:
        if running:
            running.pop().kill()

    with mail_server(before_data=kill) as server:
        config = configure(server.port, ANNA)
        root = Path(__file__).resolve().parents[3]
        command = [sys.executable, "-m", "tests.support.mailing_process", str(config.absolute())]
        with subprocess.Popen(
            [*command, DUE.isoformat()], cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process:
            running.append(process)
            process.communicate("\n", timeout=60)
        soon, late = (
            subprocess.run(
                [*command, f"2025-06-02T{at}:00+00:00"],
                cwd=root,
                input="\n",
                capture_output=True,
                text=True,
                check=True,
                timeout=60,
            ).stdout.splitlines()[-1]
            for at in ("05:40", "06:05")
        )

    assert process.returncode < 0
    assert json.loads(soon)["digests"][0]["already"] == 1
    assert json.loads(late)["digests"][0]["sent"] == 1
    # Never none, and twice at most: the server took the first one as its sender died.
    assert server.recipients == [ANNA, ANNA]


def test_digest_that_is_looked_at_first_is_neither_sent_nor_noted(centre: Path) -> None:
    with mail_server() as server:
        configure(server.port, ANNA, BEN)
        shown = reluth("digest", "--now", "--dry-run")
        as_json = reluth("digest", "--now", "--dry-run", "--json")
        assert server.taken == []
        reluth("digest", "--now")

    assert shown.code == 0
    assert shown.out.count("Subject: ReLUTH, clinic : ") == 2
    assert [one["to"] for one in as_json.objects] == [ANNA, BEN]
    sent = server.message(0).get_body(("plain",))
    assert sent is not None
    assert sent.get_content().replace("\r\n", "\n").strip() == as_json.objects[0]["text"].strip()
