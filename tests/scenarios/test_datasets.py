"""In: a simulated centre and a command line. Out: that `reluth export` gives a whole package or none, and says by its exit code which."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from adapter.datasets.formats import manifest_problems, read_package
from adapter.datasets.package import export as exporting
from adapter.datasets.package.replacing import replacing
from tests.support.cli import reluth
from tests.support.datasets import bytes_of, compiled_once
from tests.support.packages import export, fill

FORMS = ("sdtm", "views", "fhir")


@pytest.fixture(autouse=True, scope="module")
def compiled() -> Iterator[None]:
    with compiled_once():
        yield


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Settings, a store with two subjects, and their package."""
    folder = tmp_path_factory.mktemp("icm")
    fill(folder, subjects=2)
    assert export(folder, folder / "package").code == 0
    return folder


@pytest.fixture(scope="module")
def cut(room: Path) -> Path:
    """Another package of the same store."""
    assert export(room, room / "cut", "--as-of", "2024-01-01").code == 0
    return room / "cut"


def beside(package: Path) -> list[str]:
    """What an export left that it should have cleared."""
    return [path.name for path in package.parent.glob(f".{package.name}*")]


def test_export_tells_what_it_made_in_prose_and_as_json(room: Path, tmp_path: Path) -> None:
    prose, told = export(room, tmp_path / "a"), export(room, tmp_path / "b", json=True)

    assert (prose.code, told.code) == (0, 0)
    assert "2 subjects" in prose.err
    assert told.object["subjects"] == 2
    assert told.object["records"]["DM"] == 2
    assert told.object["id"]
    assert {"severity", "code", "text", "count"} == set(told.object["findings"][0])
    assert bytes_of(tmp_path / "a") == bytes_of(tmp_path / "b") == bytes_of(room / "package")
    assert manifest_problems(tmp_path / "a") == []


@pytest.mark.parametrize("form", FORMS)
def test_export_of_each_format_is_verified_without_a_word(form: str, room: Path, tmp_path: Path) -> None:
    assert export(room, tmp_path / "p", "--format", form).code == 0

    verified = reluth("--config", room / "adapter.toml", "verify", tmp_path / "p")
    assert (verified.code, verified.out) == (0, "")


@pytest.mark.parametrize("name", ["notes.txt", "sub/notes.txt", ".hidden"])
def test_export_does_not_touch_a_folder_that_holds_something_else(name: str, room: Path, tmp_path: Path) -> None:
    target = tmp_path / "holiday"
    (target / name).parent.mkdir(parents=True)
    (target / name).write_text("mine")
    ran = export(room, target)

    assert (ran.code, "no package that could be replaced" in ran.err) == (2, True)
    assert bytes_of(target) == {name: b"mine"}
    assert beside(target) == []


def test_export_refuses_a_file_and_a_place_below_one(room: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")

    assert [export(room, tmp_path / "file").code, export(room, tmp_path / "file/p").code, export(room, "/").code] == [
        2,
        2,
        2,
    ]
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["p", "--format", "sas"],
        ["p", "--trial", "nct00000000"],
        ["p", "--site", "elsewhere"],
        ["p", "--as-of", "yesterday"],
        ["p", "--format", "fhir", "--core", "core"],
        ["p", "--core", "no-such-program"],
        ["p", "--merge", "q"],
        ["p", "--merge", "q", "--merge", "r", "--as-of", "2025-01-01"],
        ["p", "--diff", "q", "r"],
        ["--diff", "q", "r"],
    ],
    ids=" ".join,
)
def test_export_refuses_what_makes_no_sense(arguments: list[str], room: Path, tmp_path: Path) -> None:
    ran = export(room, *[str(tmp_path / one) if one in ("p", "q", "r") else one for one in arguments])

    assert (ran.code, ran.out) == (2, "")
    assert list(tmp_path.iterdir()) == []


def test_export_of_no_consented_subject_is_a_package_of_the_trial_design(tmp_path: Path) -> None:
    fill(tmp_path, subjects=0, patients=2)
    for form in FORMS:
        told = export(tmp_path, tmp_path / form, "--format", form, json=True)
        assert (told.code, told.object["subjects"]) == (0, 0)
        assert reluth("--config", tmp_path / "adapter.toml", "verify", tmp_path / form).code == 0

    assert sorted(one.name for one in read_package(tmp_path / "sdtm/sdtm").datasets) == ["TA", "TE", "TI", "TS", "TV"]


def test_diff_of_equal_packages_is_empty_and_of_others_names_the_cells(room: Path, cut: Path, tmp_path: Path) -> None:
    old, new = room / "package", cut
    shutil.copytree(old, tmp_path / "same")
    same, other = export(room, "--diff", old, tmp_path / "same"), export(room, "--diff", old, new, json=True)

    assert (same.code, same.out, same.err) == (0, "", "no cell differs\n")
    assert other.code == 0
    assert {"file", "record", "variable", "kind", "old", "new"} == set(other.objects[0])
    assert {"sdtm/xpt/lb.xpt", "sdtm/json/lb.json"} <= {one["file"] for one in other.objects}
    assert len(export(room, "--diff", old, new).out.splitlines()) == len(other.objects)


# What can go wrong on the way ------------------------------------------------------------------------------------------

#: Where a run is killed: a function of the export, replaced by its own end.
KILLED = {
    "before the datasets are written": "import adapter.datasets.package.export as m; m.write_sdtm = kill",
    "in the manifest": "import adapter.datasets.package.export as m; m.write_manifest = kill",
    "before the trace is kept": "import adapter.datasets.package.export as m; m.keep_trace = kill",
    "before the new one is in its place": "import pathlib; pathlib.Path.rename = after_one(pathlib.Path.rename)",
}
PROGRAM = """
import os, signal, sys
def kill(*arguments, **options):
    os.kill(os.getpid(), signal.SIGKILL)
def after_one(rename):
    def once(path, target):
        if path.name.endswith(".part"):
            kill()
        return rename(path, target)
    return once
{point}
from adapter.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize("point", KILLED.values(), ids=KILLED)
def test_a_killed_export_leaves_the_old_package_whole_and_the_next_one_clears_up(
    point: str, room: Path, cut: Path, tmp_path: Path
) -> None:
    package = tmp_path / "package"
    shutil.copytree(cut, package)
    old = bytes_of(package)
    arguments = ["--config", str(room / "adapter.toml"), "export", str(package)]
    killed = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(point=point), *arguments], capture_output=True, check=False
    )
    assert killed.returncode == -signal.SIGKILL
    there = package if package.exists() else tmp_path / ".package.old"
    assert bytes_of(there) == old
    assert beside(package)

    assert export(room, package).code == 0
    assert bytes_of(package) == bytes_of(room / "package")
    assert beside(package) == []
    assert list((room / "V/tmp").iterdir()) == []


def test_a_package_that_was_put_aside_by_a_killed_export_comes_back_even_if_the_next_one_fails(tmp_path: Path) -> None:
    (tmp_path / ".p.old").mkdir()
    (tmp_path / ".p.old/manifest.json").write_text("{}")
    with pytest.raises(ZeroDivisionError), replacing(tmp_path / "p"):
        raise ZeroDivisionError

    assert bytes_of(tmp_path / "p") == {"manifest.json": b"{}"}
    assert beside(tmp_path / "p") == []


def test_of_two_exports_to_one_folder_the_second_is_told_to_come_again(room: Path, tmp_path: Path) -> None:
    with replacing(tmp_path / "p") as part:
        (part / "manifest.json").write_text("{}")
        ran = export(room, tmp_path / "p")
        elsewhere = export(room, tmp_path / "q")

    assert (ran.code, "another export writes to it" in ran.err) == (75, True)
    assert elsewhere.code == 0
    assert bytes_of(tmp_path / "p") == {"manifest.json": b"{}"}


def test_two_processes_that_export_at_once_leave_one_whole_package(room: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", PROGRAM.format(point=""), "--config", str(room / "adapter.toml"), "export"]
    pipes: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    running = [subprocess.Popen([*command, str(tmp_path / "p")], **pipes) for _ in range(2)]
    codes = sorted(one.wait(timeout=300) for one in running)

    assert codes in ([0, 0], [0, 75])
    assert bytes_of(tmp_path / "p") == bytes_of(room / "package")
    assert beside(tmp_path / "p") == []


@pytest.mark.parametrize("function", ["stage", "write_sdtm", "write_findings", "keep_trace"])
def test_export_without_room_leaves_what_was_there(
    function: str, room: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "p"
    shutil.copytree(room / "package", package)

    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(exporting, function, full)
    ran = export(room, package)

    assert (ran.code, "No space left on device" in ran.err) == (75, True)
    assert bytes_of(package) == bytes_of(room / "package")
    assert beside(package) == []
    assert list((room / "V/tmp").iterdir()) == []


def test_export_stops_where_the_system_writes_no_further(room: Path, tmp_path: Path) -> None:
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))"
    arguments = ["--config", str(room / "adapter.toml"), "export", str(tmp_path / "p")]
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(point=limit), *arguments], capture_output=True, check=False, text=True
    )

    assert ran.returncode == 75, ran.stderr
    assert not (tmp_path / "p").exists()
    assert beside(tmp_path / "p") == []


@pytest.mark.parametrize(("number", "code"), [(errno.EROFS, 75), (errno.ENOSPC, 75), (errno.EACCES, 2)])
def test_export_to_a_place_that_cannot_be_written(
    number: int, code: int, room: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = Path.mkdir

    def refused(path: Path, *arguments: Any, **more: Any) -> None:
        if path.name == ".p.part":
            raise OSError(number, os.strerror(number))
        make(path, *arguments, **more)

    monkeypatch.setattr(Path, "mkdir", refused)
    ran = export(room, tmp_path / "p")

    assert (ran.code, os.strerror(number) in ran.err) == (code, True)


def test_export_to_a_mount_point_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rename = Path.rename

    def busy(path: Path, target: Path) -> Path:
        if target.name == "p":
            raise OSError(errno.EBUSY, "busy")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", busy)
    with pytest.raises(Exception, match="mount point"), replacing(tmp_path / "p"):
        pass

    assert beside(tmp_path / "p") == []


def test_export_without_a_store_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "adapter.toml").write_text(f'[store]\npath = "{tmp_path / "none"}"\n')

    assert export(tmp_path, tmp_path / "p").code == 2
