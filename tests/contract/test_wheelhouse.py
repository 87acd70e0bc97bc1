"""In: the tree and a package index. Out: proof that what `make wheelhouse` makes installs by its own instructions, without any index."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
INSTRUCTIONS = ROOT / "deploy" / "install-offline.md"
HOME = "/opt/reluth"

#: Nothing can be had from here: whoever asks an index fails.
OFFLINE = {"PIP_INDEX_URL": "http://127.0.0.1:9/", "PIP_RETRIES": "0", "PIP_CONFIG_FILE": os.devnull}


def _commands() -> list[str]:
    """The commands of the instructions, in order; each stands in an indented block."""
    found = re.findall(r"^ {7}(\S.*)$", INSTRUCTIONS.read_text(encoding="utf-8"), re.MULTILINE)
    return [line for line in found if line != "cd wheelhouse"]


def _run(command: str, folder: Path, home: Path) -> subprocess.CompletedProcess[str]:
    line = command.replace(HOME, str(home)).replace("python3 -m venv", f"{sys.executable} -m venv")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "PYTHON"))}
    return subprocess.run(
        line,
        shell=True,
        cwd=folder,
        env=environment | OFFLINE,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def test_the_instructions_check_then_install_and_ask_no_index() -> None:
    commands = _commands()

    assert [command.split()[0] for command in commands] == ["sha256sum", "python3", f"{HOME}/bin/python"]
    assert "--no-index --find-links ." in commands[-1]


@pytest.mark.prove
def test_a_wheelhouse_installs_without_an_index_and_runs(tmp_path: Path) -> None:
    if shutil.which("make") is None or shutil.which("sha256sum") is None:
        pytest.skip("make and sha256sum are wanted, which this machine does not have.")
    folder, home = tmp_path / "wheelhouse", tmp_path / "reluth"
    made = subprocess.run(
        ["make", "wheelhouse", f"WHEELHOUSE={folder}", f"PYTHON={sys.executable}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert made.returncode == 0, made.stderr

    for command in _commands():
        done = _run(command, folder, home)
        assert done.returncode == 0, f"{command}: {done.stderr}"
    # Beyond the help: the compiled parts (DuckDB, Arrow, msgspec) have to be of this machine.
    reluth = f"{HOME}/bin/reluth"
    for command in (
        f"{reluth} --help",
        f"{reluth} simulate {tmp_path}/feed --patients 5 --seed 1",
        f"{reluth} --store {tmp_path}/var pull --from {tmp_path}/feed",
        f"{reluth} --store {tmp_path}/var screen --all --json",
    ):
        done = _run(command, tmp_path, home)
        assert (done.returncode, done.stdout != "" or "--json" not in command) == (0, True), f"{command}: {done.stderr}"
    # A wheel that was changed on the way is named, and nothing is to be installed.
    wheel = next(folder.glob("reluth_fhir_adapter-*.whl"))
    wheel.write_bytes(wheel.read_bytes() + b" ")
    damaged = _run(_commands()[0], folder, home)
    assert damaged.returncode != 0
    assert wheel.name in damaged.stdout + damaged.stderr
