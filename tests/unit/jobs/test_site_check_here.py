"""In: files with modes, the kernel's lists of mounts and devices. Out: what a check says of this machine."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from adapter.config import SiteSettings
from adapter.jobs.check import Finding, Group, Status, check_here, exit_code_of
from adapter.jobs.check.here import is_encrypted
from tests.support.certificates import Authority

BEARER = {"type": "bearer", "token": "secret"}


def _found(folder: Path, *, file: Path | None = None, **settings: Any) -> dict[str, Status]:
    site = SiteSettings.model_validate({"base_url": "http://127.0.0.1/fhir", **settings})
    return {
        one.code: one.status
        for one in check_here(site, settings_file=file, store=folder / "var", now=datetime.now(UTC))
    }


@pytest.mark.parametrize(
    ("mode", "auth", "expected"),
    [
        (0o600, BEARER, {"settings-private": Status.OK}),
        (0o644, BEARER, {"settings-open": Status.ASK}),
        (0o644, {"type": "none"}, {"settings-open": Status.NOTE}),
        (0o660, {"type": "basic", "username": "u", "password": "p"}, {"settings-open": Status.ASK}),
    ],
)
def test_settings_that_others_can_read_matter_where_they_hold_a_secret(
    tmp_path: Path, mode: int, auth: Any, expected: dict[str, Status]
) -> None:
    file = tmp_path / "adapter.toml"
    file.write_text("")
    file.chmod(mode)

    found = _found(tmp_path, file=file, auth=auth)

    assert {code: status for code, status in found.items() if code.startswith("settings")} == expected


def test_settings_of_the_environment_alone_have_no_file_to_look_at(tmp_path: Path) -> None:
    found = _found(tmp_path, file=tmp_path / "adapter.toml")

    assert not [code for code in found if code.startswith("settings")]


@pytest.mark.parametrize(
    ("mode", "code", "status"), [(0o700, "store-private", Status.OK), (0o750, "store-open", Status.ASK)]
)
def test_a_store_that_others_can_enter_is_told(tmp_path: Path, mode: int, code: str, status: Status) -> None:
    (tmp_path / "var").mkdir()
    (tmp_path / "var").chmod(mode)

    assert _found(tmp_path)[code] is status


def test_a_store_that_is_not_there_yet_is_no_fault(tmp_path: Path) -> None:
    assert _found(tmp_path)["store-missing"] is Status.NOTE


def test_the_hospitals_own_number_is_asked_for_where_it_is_not_set(tmp_path: Path) -> None:
    assert _found(tmp_path)["identifier-system-missing"] is Status.NOTE
    assert "identifier-system-missing" not in _found(tmp_path, identifier_system="urn:oid:1.2.3")


class Kernel:
    """Lists of mounts and devices in a folder, as Linux has them in /proc and /sys."""

    def __init__(self, folder: Path) -> None:
        self.mounts = folder / "mountinfo"
        self.devices = folder / "block"
        self._lines: list[str] = []

    def mount(self, point: Path, number: str, kind: str = "ext4") -> None:
        self._lines.append(f"36 35 {number} / {point} rw,noatime master:1 - {kind} /dev/x rw")
        self.mounts.write_text("".join(f"{line}\n" for line in self._lines))

    def device(self, number: str, uuid: str | None = None) -> Path:
        place = self.devices / number
        place.mkdir(parents=True)
        if uuid is not None:
            (place / "dm").mkdir()
            (place / "dm" / "uuid").write_text(uuid)
        return place

    def says(self, folder: Path) -> bool | None:
        return is_encrypted(folder, mounts=self.mounts, devices=self.devices)


@pytest.fixture
def kernel(tmp_path: Path) -> Kernel:
    return Kernel(tmp_path)


def test_a_volume_of_dm_crypt_is_encrypted(kernel: Kernel, tmp_path: Path) -> None:
    kernel.mount(tmp_path, "253:0")
    kernel.device("253:0", "CRYPT-LUKS2-00")

    assert kernel.says(tmp_path) is True


def test_a_logical_volume_on_dm_crypt_is_encrypted(kernel: Kernel, tmp_path: Path) -> None:
    kernel.mount(tmp_path, "253:1")
    logical = kernel.device("253:1", "LVM-00")
    (logical / "slaves").mkdir()
    (logical / "slaves" / "dm-0").symlink_to(kernel.device("253:0", "CRYPT-LUKS2-00"))

    assert kernel.says(tmp_path) is True


def test_a_plain_disk_is_not_encrypted(kernel: Kernel, tmp_path: Path) -> None:
    kernel.mount(tmp_path, "8:1")
    kernel.device("8:1")

    assert kernel.says(tmp_path) is False


def test_the_deepest_mount_holds_the_folder_and_the_last_of_two(kernel: Kernel, tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    kernel.device("8:1")
    kernel.device("253:0", "CRYPT-LUKS2-00")
    kernel.mount(tmp_path, "8:1")
    kernel.mount(inner, "8:1")
    kernel.mount(inner, "253:0")

    assert kernel.says(inner) is True
    assert kernel.says(tmp_path) is False


def test_a_mount_with_a_blank_in_its_name_is_found(kernel: Kernel, tmp_path: Path) -> None:
    folder = tmp_path / "with blank"
    folder.mkdir()
    kernel.device("8:1")
    kernel.device("253:0", "CRYPT-LUKS2-00")
    kernel.mount(tmp_path, "8:1")
    kernel.mount(Path(str(folder).replace(" ", "\\040")), "253:0")

    assert kernel.says(folder) is True


def test_a_file_system_that_encrypts_is_encrypted(kernel: Kernel, tmp_path: Path) -> None:
    kernel.mount(tmp_path, "0:45", "fuse.gocryptfs")

    assert kernel.says(tmp_path) is True


def test_what_stands_on_no_device_cannot_be_told(kernel: Kernel, tmp_path: Path) -> None:
    assert kernel.says(tmp_path) is None
    kernel.mount(tmp_path, "0:45", "nfs4")
    assert kernel.says(tmp_path) is None


def test_the_worst_finding_is_the_exit_code() -> None:
    ask = Finding(Group.HERE, "store-open", Status.ASK)
    later = Finding(Group.REACH, "name-unknown", Status.FAILED, failure=75)
    refused = Finding(Group.ACCESS, "token-refused", Status.FAILED, failure=4)

    assert exit_code_of([]) == 0
    assert exit_code_of([Finding(Group.HERE, "volume-plain", Status.NOTE)]) == 0
    assert exit_code_of([ask]) == 5
    assert exit_code_of([ask, later]) == 75
    assert exit_code_of([ask, later, refused]) == 4


@pytest.mark.parametrize(
    ("days", "code", "status"),
    [(400, "holds", Status.OK), (31, "holds", Status.OK), (12, "ends", Status.ASK), (-3, "ended", Status.ASK)],
)
def test_certificates_that_lie_here_are_told_before_they_end(
    tmp_path: Path, days: int, code: str, status: Status
) -> None:
    authority = Authority(tmp_path / "ca", days=days)
    pair = authority.pair("client", days=days)
    auth = {"type": "mtls", "certificate_file": pair.certificate, "private_key_file": pair.key}

    found = _found(tmp_path, auth=auth, ca_file=authority.file)

    told = {name: one for name, one in found.items() if name.startswith(("own-certificate", "authorities"))}
    assert told == {f"own-certificate-{code}": status, f"authorities-{code}": status}
