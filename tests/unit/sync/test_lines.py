"""Promises of NDJSON lines: byte for byte, and what is wrong with a file is said."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from adapter.sync import lines as lines_module
from adapter.sync.lines import Line, read_lines


def _read(tmp_path: Path, content: bytes) -> list[Line]:
    path = tmp_path / "Patient.ndjson"
    path.write_bytes(content)
    return list(read_lines(path))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(b"", [], id="empty-file"),
        pytest.param(b'{"a":1}\n{"b":2}\n', [Line(1, b'{"a":1}'), Line(2, b'{"b":2}')], id="plain"),
        pytest.param(b'{"a":1}\r\n{"b":2}\r\n', [Line(1, b'{"a":1}'), Line(2, b'{"b":2}')], id="crlf"),
        pytest.param(b'\xef\xbb\xbf{"a":1}\n{}\n', [Line(1, b'{"a":1}'), Line(2, b"{}")], id="byte-order-mark"),
        pytest.param(b"\n\n{}\n  \n\r\n[]\n", [Line(3, b"{}"), Line(6, b"[]")], id="empty-lines-are-counted"),
        pytest.param(b'{}\n{"a":', [Line(1, b"{}"), Line(2, b'{"a":', ended=False)], id="cut"),
        pytest.param('{"a":"\u2028\u0085"}\n'.encode(), [Line(1, '{"a":"\u2028\u0085"}'.encode())], id="u2028"),
        pytest.param(b' {"a" : 1.10} \n', [Line(1, b' {"a" : 1.10} ')], id="blanks-are-kept"),
        pytest.param(b"\xff\xfe{\n{}\n", [Line(1, b"\xff\xfe{"), Line(2, b"{}")], id="not-utf-8"),
    ],
)
@pytest.mark.parametrize("chunk", [1, 3, 2**20])
def test_lines_are_the_bytes_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, expected: list[Line], chunk: int
) -> None:
    monkeypatch.setattr(lines_module, "_CHUNK", chunk)

    assert _read(tmp_path, content) == expected
    if content:
        half = len(content) // 2
        in_members = gzip.compress(content[:half]) + gzip.compress(content[half:]) + b"\0" * 10
        assert _read(tmp_path, in_members) == expected


def test_gzip_cut_short_keeps_what_was_readable(tmp_path: Path) -> None:
    content = b"".join(b'{"id":"%d"}\n' % number for number in range(20_000))
    packed = gzip.compress(content)
    found = _read(tmp_path, packed[: len(packed) // 2])

    assert found[-1].trouble == "the gzip data ends early"
    assert len(found) > 5_000
    whole = content.split(b"\n")
    assert [line.raw for line in found[:-1]] == whole[: len(found) - 1]
    assert whole[len(found) - 1].startswith(found[-1].raw)


def test_gzip_cut_before_its_checksum_is_told(tmp_path: Path) -> None:
    found = _read(tmp_path, gzip.compress(b"{}\n")[:-4])

    assert found == [Line(1, b"{}"), Line(2, b"", False, "the gzip data ends early")]


def test_gzip_that_is_damaged_keeps_what_was_readable(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(b"".join(b'{"id":"%d"}\n' % (number * 7919) for number in range(200_000))))
    packed[len(packed) // 2] ^= 0xFF
    found = _read(tmp_path, bytes(packed))

    assert found[-1].trouble == "the gzip data is damaged"
    assert len(found) > 10_000


def test_gzip_whose_checksum_is_wrong_is_told(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(b"{}\n"))
    packed[-5] ^= 0xFF

    assert _read(tmp_path, bytes(packed))[-1].trouble == "the gzip data is damaged"


def test_absurdly_long_line_does_not_fill_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines_module, "MAX_LINE", 100)
    monkeypatch.setattr(lines_module, "_CHUNK", 30)
    found = _read(tmp_path, b"{}\n" + b"x" * 1_000 + b"\n[]\n")

    assert [line.raw for line in found] == [b"{}", b"x" * 100, b"[]"]
    assert found[1].trouble is not None
    assert found[2].trouble is None


def test_line_of_just_the_longest_length_is_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines_module, "MAX_LINE", 100)

    assert _read(tmp_path, b"x" * 100 + b"\n") == [Line(1, b"x" * 100)]
