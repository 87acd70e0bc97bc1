"""Promises of the key that a store's pseudonyms are made with."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from adapter.errors import ConfigurationError
from adapter.store import pseudonym_key


def test_key_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    key = pseudonym_key(tmp_path)

    assert len(key) == 32
    assert pseudonym_key(tmp_path) == key
    assert stat.S_IMODE((tmp_path / "keys/pseudonyms.key").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700
    assert [path.name for path in (tmp_path / "keys").iterdir()] == ["pseudonyms.key"]


def test_key_made_by_several_at_once_is_one(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda _: pseudonym_key(tmp_path), range(16)))

    assert len(found) == 1


def test_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    pseudonym_key(tmp_path)
    (tmp_path / "keys/pseudonyms.key").chmod(0o640)

    with pytest.raises(ConfigurationError, match="mode 0600"):
        pseudonym_key(tmp_path)


@pytest.mark.parametrize("content", [b"", b"x" * 31, b"x" * 33])
def test_key_of_another_length_is_refused_and_not_replaced(tmp_path: Path, content: bytes) -> None:
    pseudonym_key(tmp_path)
    path = tmp_path / "keys/pseudonyms.key"
    path.write_bytes(content)

    with pytest.raises(ConfigurationError, match="32 bytes"):
        pseudonym_key(tmp_path)
    assert path.read_bytes() == content


def test_key_that_is_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "keys/pseudonyms.key").mkdir(parents=True)

    with pytest.raises(ConfigurationError, match="cannot be used"):
        pseudonym_key(tmp_path)
