"""In: bytes under keys. Out: the same in the order of the keys."""

from __future__ import annotations

from pathlib import Path

from adapter.screening.spool import Spool


def test_spool_gives_contents_by_key(tmp_path: Path) -> None:
    with Spool(tmp_path) as spool:
        for key in ("b", "a", "c"):
            spool.add(key, key.encode() * 3)

        assert list(spool) == [b"aaa", b"bbb", b"ccc"]
        assert len(spool) == 3


def test_spool_has_no_name_in_the_folder(tmp_path: Path) -> None:
    with Spool(tmp_path) as spool:
        spool.add("a", b"content")

        assert list(tmp_path.iterdir()) == []


def test_spool_gives_an_empty_content_back(tmp_path: Path) -> None:
    with Spool(tmp_path) as spool:
        spool.add("b", b"")
        spool.add("a", b"x")

        assert list(spool) == [b"x", b""]
