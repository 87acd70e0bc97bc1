"""Promises of the log: on stderr, one line an event, without patient content."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest
import structlog

from adapter.observe import configure, logger


@pytest.fixture(autouse=True)
def _defaults_again() -> Iterator[None]:
    yield
    structlog.reset_defaults()


def test_log_is_json_on_stderr_only(capsys: pytest.CaptureFixture[str]) -> None:
    configure(json=True)
    logger("sync").info("file left out", file="truth.ndjson", patient="Patient/1")

    captured = capsys.readouterr()
    assert captured.out == ""
    event = json.loads(captured.err)
    assert event.pop("timestamp").endswith("Z")
    assert event == {
        "event": "file left out",
        "level": "info",
        "room": "sync",
        "file": "truth.ndjson",
        "patient": "Patient/1",
    }


def test_log_is_json_where_stderr_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    configure()
    logger("sync").info("done")

    assert json.loads(capsys.readouterr().err)["event"] == "done"


def test_log_for_a_person_is_key_and_value(capsys: pytest.CaptureFixture[str]) -> None:
    configure(json=False)
    logger("sync").warning("cut", file="Patient.ndjson")

    assert "level='warning' event='cut' room='sync' file='Patient.ndjson'" in capsys.readouterr().err


def test_quiet_log_holds_warnings_only(capsys: pytest.CaptureFixture[str]) -> None:
    configure(quiet=True, json=True)
    logger("sync").info("done")
    logger("sync").warning("cut")

    assert [json.loads(line)["event"] for line in capsys.readouterr().err.splitlines()] == ["cut"]


@pytest.mark.parametrize("key", ["name", "birthDate", "value", "raw", "identifier", "text"])
def test_log_withholds_patient_content_and_says_so(capsys: pytest.CaptureFixture[str], key: str) -> None:
    configure(json=True)
    logger("sync").info("read", **{key: "Dupont", "reference": "Patient/1"})

    line = capsys.readouterr().err
    assert "Dupont" not in line
    assert json.loads(line)["withheld"] == [key]
    assert json.loads(line)["reference"] == "Patient/1"


def test_log_names_an_exception_without_its_text(capsys: pytest.CaptureFixture[str]) -> None:
    configure(json=True)
    try:
        raise ValueError("Dupont")
    except ValueError:
        logger("sync").exception("failed")

    line = capsys.readouterr().err
    assert "Dupont" not in line
    assert json.loads(line)["exception"] == "ValueError"


OTHERS = {
    "library": """
logging.getLogger("python_multipart.multipart").warning("Dupont %s", "Jean")
""",
    "library-with-an-error": """
try:
    raise ValueError("Dupont")
except ValueError:
    logging.getLogger("apscheduler.executors.default").exception("job of Dupont")
""",
    "thread": """
def fail():
    raise ValueError("Dupont")
thread = threading.Thread(target=fail)
thread.start()
thread.join()
""",
    "not-raised": """
class Closing:
    def __del__(self):
        raise ValueError("Dupont")
closing = Closing()
del closing
""",
}


def _stderr_of(script: str) -> str:
    begin = "import logging, threading, warnings\nfrom adapter.observe import configure\nconfigure(json=True)\n"
    ran = subprocess.run([sys.executable, "-c", begin + script], capture_output=True, text=True, check=True, timeout=60)
    return ran.stderr


@pytest.mark.parametrize("name", OTHERS)
def test_text_of_others_is_withheld_and_one_line_says_so(name: str) -> None:
    (line,) = _stderr_of(OTHERS[name]).splitlines()

    assert "Dupont" not in line
    assert json.loads(line)["room"] == "library"


def test_warning_of_a_library_is_not_printed() -> None:
    assert _stderr_of('warnings.warn("Dupont")') == ""


def test_own_line_of_a_room_without_events_is_told_as_it_is() -> None:
    assert _stderr_of('logging.getLogger("adapter.client.retry").warning("again in %.1f s", 2)') == "again in 2.0 s\n"
