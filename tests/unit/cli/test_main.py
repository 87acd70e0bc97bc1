"""In: whatever happens in a verb. Out: the exit code of the contract, one sentence on stderr, nothing of a patient in it."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

import adapter.config
from adapter.errors import (
    BusyError,
    ConfigurationError,
    DefectError,
    DocumentError,
    QuarantinedError,
    RemoteError,
    StorageError,
    TransientError,
    UsageError,
)
from tests.support.cli import reluth, reluth_process

VERBS = [
    "demo",
    "init",
    "keys",
    "simulate",
    "pull",
    "check",
    "terms",
    "screen",
    "why",
    "worklist",
    "log",
    "funnel",
    "add",
    "decide",
    "store",
    "criteria",
    "load",
    "push",
    "conflicts",
    "sync",
    "subscribe",
    "digest",
    "serve",
    "audit",
    "openapi",
    "user",
]
HEAVY = ("duckdb", "pyarrow", "fastapi", "sqlalchemy", "httpx", "pydantic", "yaml")


def _raising(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def fail(*_args: object, **_more: object) -> None:
        raise error

    monkeypatch.setattr(adapter.config, "load_settings", fail)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (DefectError("a sentence"), 1),
        (UsageError("a sentence"), 2),
        (ConfigurationError("sites.icm.base_url", "a sentence"), 2),
        (DocumentError("criteria.yaml", "/criteria/3", "a sentence"), 3),
        (RemoteError("a sentence"), 4),
        (QuarantinedError("Observation/9", "a sentence"), 5),
        (TransientError("a sentence"), 75),
        (BusyError("a sentence"), 75),
    ],
)
def test_main_returns_the_exit_code_of_the_error_and_says_its_sentence(
    monkeypatch: pytest.MonkeyPatch, error: Exception, code: int
) -> None:
    _raising(monkeypatch, error)

    ran = reluth("store", "stats")

    assert (ran.code, ran.out) == (code, "")
    assert ran.err == f"reluth: {error}\n"


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.EMFILE, "Too many open files", "durand.parquet"),
        duckdb.IOException('IO Error: Cannot open file "/data/durand.parquet": Too many open files'),
    ],
)
def test_limit_of_open_files_is_told_as_what_it_is_and_no_defect(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    _raising(monkeypatch, error)

    ran = reluth("store", "stats")

    assert (ran.code, ran.out) == (75, "")
    assert "allow more open files (`ulimit -n`, LimitNOFILE=)" in ran.err
    assert "durand" not in ran.err


def test_main_calls_anything_else_a_defect_and_keeps_its_text_in(monkeypatch: pytest.MonkeyPatch) -> None:
    _raising(monkeypatch, RuntimeError("Mme Durand, 12,1 g/dL"))

    ran = reluth("store", "stats")

    assert (ran.code, ran.out) == (1, "")
    assert "RuntimeError" in ran.err
    assert "Durand" not in ran.err
    assert "Traceback" not in ran.err


def test_main_shows_the_traceback_of_a_defect_when_asked_to(monkeypatch: pytest.MonkeyPatch) -> None:
    _raising(monkeypatch, RuntimeError("anything"))
    monkeypatch.setenv("RELUTH_DEBUG", "1")

    ran = reluth("store", "stats")

    assert ran.code == 1
    assert "Traceback" in ran.err


def test_main_returns_130_for_ctrl_c(monkeypatch: pytest.MonkeyPatch) -> None:
    _raising(monkeypatch, KeyboardInterrupt())

    ran = reluth("store", "stats")

    assert (ran.code, ran.out) == (130, "")


#: Ctrl-C while a library is being read, as it meets whoever thinks better of it at once.
_READING = """
import signal, sys
# Tests that were begun in the background of a shell have been told to ignore it.
signal.signal(signal.SIGINT, signal.default_int_handler)
class Finder:
    def find_spec(self, name, *_):
        if name == sys.argv[1]:
            signal.raise_signal(signal.SIGINT)
sys.meta_path.insert(0, Finder())
from adapter.cli import main
sys.exit(main(["store", "stats"]))
"""


@pytest.mark.parametrize("library", ["typer", "adapter.cli.verbs", "adapter.store"])
def test_ctrl_c_while_the_program_is_being_read_shows_no_traceback(library: str, tmp_path: Path) -> None:
    (tmp_path / "var").mkdir()
    ended = subprocess.run(
        [sys.executable, "-c", _READING, library], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )

    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "")


@pytest.mark.parametrize(
    "arguments",
    [["nonsense"], ["screen", "--nonsense"], ["why"], ["simulate", "x", "--patients", "many", "--seed", "1"]],
)
def test_main_returns_2_for_what_makes_no_sense_and_names_the_help(arguments: list[str]) -> None:
    ran = reluth(*arguments)

    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("reluth: ")
    assert "--help" in ran.err


def test_main_help_names_every_verb() -> None:
    ran = reluth("--help")

    assert ran.code == 0
    assert [verb for verb in VERBS if f"\n  {verb} " not in ran.out] == []


@pytest.mark.parametrize("verb", VERBS)
def test_main_help_of_each_verb_tells_of_the_global_options(verb: str) -> None:
    ran = reluth(verb, "--help")

    assert ran.code == 0
    assert "--config, --store, --json, --quiet" in ran.out


def test_main_help_loads_nothing_heavy() -> None:
    program = f"import sys, adapter.cli; print([name for name in {HEAVY} if name in sys.modules])"

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)

    assert done.stdout == "[]\n"


def test_main_says_nothing_when_nobody_reads_on() -> None:
    program = "import sys; from adapter.cli import main; sys.exit(main())"
    with subprocess.Popen(
        [sys.executable, "-c", program, "openapi"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.close()
        said = running.stderr.read()

    assert said == b""
    assert running.returncode == 0


def test_main_says_which_file_is_another_users(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(tmp_path / "mine" / "feed"))

    monkeypatch.setattr("adapter.simulate.simulate", refuse)

    ran = reluth("simulate", tmp_path / "mine", "--patients", "1", "--seed", "1")

    assert (ran.code, ran.out) == (2, "")
    assert ran.err == "reluth: feed: Permission denied: run it as the user whose it is, or give the right\n"


@pytest.mark.parametrize(
    ("problem", "to_do"),
    [
        ("No space left on device", "make room"),
        ("Permission denied", "give the right to write"),
        ("readonly database", "give the right to write"),
        ("Too many open files", "allow more open files (`ulimit -n`, LimitNOFILE=)"),
    ],
)
def test_storage_error_says_what_would_mend_it(problem: str, to_do: str) -> None:
    assert f"({problem}): {to_do}, then" in str(StorageError("lake", problem))


def _unread(*arguments: str | Path, program: str = "import sys; from adapter.cli import main; sys.exit(main())") -> int:
    """The exit code where whoever reads stdout is gone before the first line."""
    with subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as running:
        assert running.stdout is not None
        running.stdout.close()
        return running.wait(120)


def test_main_screens_every_site_though_nobody_reads_on(tmp_path: Path) -> None:
    feed, store = tmp_path / "feed", tmp_path / "var"
    reluth("simulate", feed, "--patients", "20", "--seed", "1")
    for site in ("a", "b"):
        reluth("--store", store, "pull", "--from", feed, "--site", site)

    code = _unread("--store", store, "screen", "--on", "2025-06-01", "--json")

    listed = {row["site"] for row in reluth("--store", store, "worklist", "--json").object["rows"]}
    assert (code, listed) == (0, {"a", "b"})
    # Tables go another way than lines; and what a verb found it tells by its exit code all the same.
    assert _unread("--store", store, "worklist") == 0
    assert _unread("--store", store, "check", "--site", "a") == 5


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux only")
@pytest.mark.parametrize("verb", [("openapi",), ("store", "stats")])
def test_main_asks_for_room_where_stdout_leads_to_a_full_disk(tmp_path: Path, verb: tuple[str, ...]) -> None:
    reluth("--store", tmp_path / "var", "pull", "--from", _feed(tmp_path))
    program = "import sys; from adapter.cli import main; sys.exit(main())"
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-c", program, "--store", tmp_path / "var", *verb],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=120,
        )

    assert (done.returncode, done.stderr.count("\n")) == (75, 1)
    assert "stdout: cannot be written" in done.stderr


def test_main_needs_no_stdout_at_all(tmp_path: Path) -> None:
    reluth("--store", tmp_path / "var", "pull", "--from", _feed(tmp_path))
    program = "import sys; sys.stdout = None; from adapter.cli import main; sys.exit(main())"

    assert _unread("--store", tmp_path / "var", "store", "stats", program=program) == 0


def test_main_writes_utf8_into_files_whatever_the_locale(tmp_path: Path) -> None:
    reluth("--store", tmp_path / "var", "pull", "--from", _feed(tmp_path))
    env = {**os.environ, "PYTHONIOENCODING": "latin-1"}

    ran = reluth_process("--store", tmp_path / "var", "screen", "--all", env=env)
    exported = reluth_process("criteria", "export", "--as", "group", env=env)

    assert ran.code == 0
    assert "✓" in ran.out
    assert "≥" in exported.out


def _feed(folder: Path) -> Path:
    (folder / "feed").mkdir()
    (folder / "feed" / "Patient.ndjson").write_text('{"resourceType": "Patient", "id": "1", "gender": "male"}\n')
    return folder / "feed"


def test_main_runs_as_a_process_with_a_clean_stdout(tmp_path: Path) -> None:
    ran = reluth_process("store", "stats", "--json", "--store", tmp_path / "none")

    assert (ran.code, ran.out) == (2, "")
    assert "no store at" in ran.err
