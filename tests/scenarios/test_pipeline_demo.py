"""In: `reluth demo` and `reluth serve` as processes. Out: a worklist that explains itself; pages on loopback until Ctrl-C."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cli import Ran, reluth, reluth_process
from tests.support.clinic import ON, clinic, write_feed

#: Loopback needs no proxy, whatever the environment says.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))
PROGRAM = "import sys; from adapter.cli import main; sys.exit(main())"
SIZE = ("--patients", "60", "--seed", "3")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the demo runs."""
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def first(folder: Path) -> Ran:
    """The demo run there for the first time."""
    return reluth_process("demo", *SIZE, "--once", cwd=folder)


def test_demo_prints_a_worklist_that_explains_itself(first: Ran) -> None:
    assert first.code == 0
    assert "as of 1 June 2025" in first.out
    assert all(heading in first.out for heading in ("Patient", "What stands out", "Next step", "How to go on"))


def test_demo_tells_on_stderr_what_it_does_and_pulls_over_http(first: Ran) -> None:
    assert re.search(r"pulling from its FHIR server, http://127\.0\.0\.1:\d+/fhir", first.err)
    assert "missing" not in first.err
    assert "put aside" not in first.err


def test_demo_hints_work_as_printed(first: Ran, folder: Path) -> None:
    hints = re.findall(r"^  reluth (--store .*)$", first.out, flags=re.MULTILINE)

    ran = [reluth_process(*hint.split(), cwd=folder) for hint in (hints[0], hints[-1])]

    assert len(hints) >= 3
    assert [one.code for one in ran] == [0, 0]
    assert all(one.out for one in ran)


def test_demo_again_simulates_nothing_and_says_the_same(first: Ran, folder: Path) -> None:
    feed = folder / "demo" / "p60-s3" / "feed"
    before = {path.name: path.stat().st_mtime_ns for path in feed.iterdir()}

    again = reluth_process("demo", *SIZE, "--once", cwd=folder)

    assert {path.name: path.stat().st_mtime_ns for path in feed.iterdir()} == before
    assert again.out == first.out


def test_demo_writes_under_its_folder_only(first: Ran, folder: Path) -> None:
    assert first.code == 0
    assert [path.name for path in folder.iterdir()] == ["demo"]


class Served:
    """`reluth serve` running."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        assert process.stderr is not None
        said = process.stderr.readline()
        found = re.fullmatch(r"open (http://127\.0\.0\.1:\d+)(/login\?token=\S+) .*\n", said)
        assert found, said
        self.base, self.login = found.groups()

    def status(self, path: str) -> int:
        """The status of a GET, redirects followed, without cookies."""
        try:
            with OPENER.open(f"{self.base}{path}", timeout=20) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as refused:
            with refused:
                return refused.code


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """The clinic's pages, served by a process of their own."""
    store = tmp_path / "store"
    reluth("--store", store, "pull", "--from", write_feed(tmp_path / "feed", clinic()))
    reluth("--store", store, "screen", "--on", ON)
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "--store", str(store), "serve", "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    ) as process:
        try:
            yield Served(process)
        finally:
            process.kill()


def test_serve_lets_nobody_in_without_the_token(served: Served) -> None:
    assert served.status("/healthz") == 200
    assert served.status("/") in (401, 403)


def test_serve_ends_with_ctrl_c_and_says_nothing_on_stdout(served: Served) -> None:
    assert served.status("/healthz") == 200

    served.process.send_signal(signal.SIGINT)
    out, err = served.process.communicate(timeout=30)

    assert (served.process.returncode, out) == (0, "")
    assert "Traceback" not in err


def test_serve_refuses_to_listen_to_the_world(tmp_path: Path) -> None:
    ran = reluth("--store", tmp_path, "serve", "--host", "0.0.0.0")

    assert ran.code == 2
    assert "loopback" in ran.err


def test_openapi_is_one_json_document_on_stdout() -> None:
    ran = reluth("openapi")

    assert ran.code == 0
    assert ran.object["openapi"].startswith("3.")
