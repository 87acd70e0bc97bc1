"""Promises of the units for systemd: they start a command that is there, as nobody in particular, with little right to harm."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
import typer.main

from adapter.cli.app import app
from adapter.errors import EXIT_PRECEDENCE
from tests.support.pages import ROOT, text

UNITS = ROOT / "deploy" / "systemd"
SERVICES = sorted(UNITS.glob("*.service"))
#: What keeps a service that reads a hospital's records, and talks to the network, from more than that.
HARDENED = {
    "AmbientCapabilities": "",
    "CapabilityBoundingSet": "",
    "LockPersonality": "true",
    "NoNewPrivileges": "true",
    "PrivateDevices": "true",
    "PrivateTmp": "true",
    "ProtectControlGroups": "true",
    "ProtectHome": "true",
    "ProtectKernelModules": "true",
    "ProtectKernelTunables": "true",
    "ProtectSystem": "strict",
    "RestrictSUIDSGID": "true",
    "StateDirectoryMode": "0700",
    "UMask": "0077",
    "User": "reluth",
}
#: A backup lies elsewhere than the store.
WRITES = {"reluth-backup.service": ["/var/lib/reluth", "/var/backups/reluth"]}


def settings(unit: Path) -> dict[str, list[str]]:
    """The settings of a unit; one may stand more than once."""
    found: dict[str, list[str]] = defaultdict(list)
    for line in unit.read_text(encoding="utf-8").splitlines():
        if "=" in line and not line.startswith("#"):
            key, _, value = line.partition("=")
            found[key].append(value)
    return found


def test_there_is_a_unit_for_each_way_to_run() -> None:
    assert sorted(path.name for path in UNITS.iterdir()) == [
        "reluth-backup.service",
        "reluth-backup.timer",
        "reluth-digest.service",
        "reluth-digest.timer",
        "reluth-serve.service",
        "reluth-sync.service",
        "reluth-sync@.service",
        "reluth-sync@.timer",
    ]


@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.name)
def test_service_is_hardened(unit: Path) -> None:
    found = settings(unit)

    assert {key: found.get(key) for key in HARDENED} == {key: [value] for key, value in HARDENED.items()}
    assert found["ReadWritePaths"] == WRITES.get(unit.name, ["/var/lib/reluth"])


@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.name)
def test_service_starts_a_command_that_is_there(unit: Path) -> None:
    (started,) = settings(unit)["ExecStart"]
    program, verb, *arguments = shlex.split(started)
    root: Any = typer.main.get_command(app)
    known = {name for param in root.commands[verb].params for name in param.opts}

    assert Path(program).name == "reluth"
    assert {word for word in arguments if word.startswith("--")} - known == set()


@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.name)
def test_service_names_exit_codes_of_the_contract_only(unit: Path) -> None:
    found = settings(unit)
    codes = " ".join(found["SuccessExitStatus"] + found["RestartPreventExitStatus"]).split()

    assert {int(code) for code in codes} - set(EXIT_PRECEDENCE) == set()


def test_timer_starts_the_service_of_its_name_again_after_it_ended() -> None:
    found = settings(UNITS / "reluth-sync@.timer")

    assert "Unit" not in found
    assert found["OnUnitInactiveSec"] == ["15min"]
    assert settings(UNITS / "reluth-sync@.service")["Type"] == ["oneshot"]


def test_backup_is_written_where_its_unit_may_write_and_no_failure_is_hidden() -> None:
    found = settings(UNITS / "reluth-backup.service")

    assert shlex.split(found["ExecStart"][0])[-1] == found["RequiresMountsFor"][0] == found["ReadWritePaths"][1]
    assert found["SuccessExitStatus"] == []
    assert settings(UNITS / "reluth-backup.timer")["Persistent"] == ["true"]


def test_every_unit_is_described() -> None:
    page = text("operations.md")

    assert [path.name for path in UNITS.iterdir() if path.name not in page] == []


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed here")
def test_units_are_valid_for_systemd(tmp_path: Path) -> None:
    for unit in UNITS.iterdir():
        # The command and the account are made by the installation.
        made = re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", unit.read_text(encoding="utf-8"), flags=re.MULTILINE)
        (tmp_path / unit.name).write_text(made, encoding="utf-8")
    started = [str(path) for path in sorted(tmp_path.iterdir())]
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *started], capture_output=True, text=True, check=False, timeout=60
    )

    assert (done.returncode, done.stderr) == (0, "")
