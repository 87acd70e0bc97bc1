"""In: NDJSON in pieces of any size, whole and cut, packed and absurd. Out: proof of what is counted, and what is not taken for whole."""

from __future__ import annotations

import gzip
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.client import tally as bounds
from adapter.client.tally import Absurd, Spoiled, Tally

PATIENT = b'{"resourceType":"Patient","id":"1"}'
LINES = PATIENT + b"\n" + b'{"resourceType":"Patient","id":"2","x":"\xe2\x80\xa8"}\n' + PATIENT + b"\n"


def counted(*pieces: bytes, type_: str | None = None) -> int:
    tally = Tally()
    for piece in pieces:
        tally.feed(piece)
    return tally.close(type_=type_)


def cut(data: bytes, size: int) -> Iterable[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


@pytest.mark.parametrize("size", [1, 2, 7, 35, 36, 37, 10_000])
@pytest.mark.parametrize("packed", [False, True])
def test_lines_are_counted_in_pieces_of_any_size(size: int, packed: bool) -> None:
    data = gzip.compress(LINES) if packed else LINES

    assert counted(*cut(data, size)) == 3


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"", 0),
        (b"\n", 0),
        (b"\r\n \n\t\n", 0),
        (PATIENT, 1),
        (b"\xef\xbb\xbf" + PATIENT, 1),
        (b"\xef\xbb\xbf\n" + PATIENT + b"\r\n\r\n", 1),
        (b"\n\n" + PATIENT + b"\r\n\n" + PATIENT + b"\n \n", 2),
        (b"not json\n" + PATIENT + b"\n", 2),
    ],
)
def test_empty_lines_do_not_count(data: bytes, lines: int) -> None:
    assert counted(data) == lines


@given(
    st.lists(st.sampled_from([PATIENT, b"", b" ", b"\r"]), max_size=8),
    st.integers(1, 20),
    st.booleans(),
    st.booleans(),
)
def test_count_is_that_of_the_lines_that_hold_something(
    lines: list[bytes], size: int, ended: bool, packed: bool
) -> None:
    data = b"\n".join(lines) + (b"\n" if ended else b"")
    sent = gzip.compress(data) if packed else data

    assert counted(*cut(sent, size)) == sum(bool(line.strip()) for line in data.split(b"\n"))


@pytest.mark.parametrize("end", [1, 5, len(PATIENT) - 1])
@pytest.mark.parametrize("line_end", [b"", b"\n"])
def test_last_line_that_is_cut_is_seen(end: int, line_end: bytes) -> None:
    with pytest.raises(Spoiled, match="last line"):
        counted(LINES + PATIENT[:end] + line_end)


@pytest.mark.parametrize("last", [b"7", b"[]", b"{}", b'{"resourceType":7}', b"<html>", b"\xff", b"[" * 100_000])
def test_last_line_that_is_no_resource_is_seen(last: bytes) -> None:
    with pytest.raises(Spoiled, match="last line"):
        counted(LINES + last)


def test_error_of_the_server_in_the_place_of_resources_is_seen() -> None:
    error = b'{"resourceType":"OperationOutcome","issue":[{"severity":"fatal"}]}'

    assert counted(error) == counted(error, type_="OperationOutcome") == 1
    with pytest.raises(Spoiled, match="OperationOutcome"):
        counted(LINES + error, type_="Patient")


@pytest.mark.parametrize("missing", [1, 4, 8, 12, 30])
def test_gzip_that_ends_early_is_seen_even_at_a_line_end(missing: int) -> None:
    with pytest.raises(Spoiled, match="ends early"):
        counted(gzip.compress(LINES)[:-missing])


def test_gzip_that_is_damaged_is_seen() -> None:
    packed = bytearray(gzip.compress(LINES))
    packed[-6] ^= 1

    with pytest.raises(Spoiled, match="damaged"):
        counted(bytes(packed))


def test_members_and_zeros_behind_them_are_one_file() -> None:
    assert counted(gzip.compress(LINES) + gzip.compress(LINES) + b"\0" * 512) == 6


def test_bomb_is_left_alone_early(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "FREE_UNPACKED", 2**21)
    tally = Tally()

    with pytest.raises(Absurd, match="200 times"):
        tally.feed(gzip.compress(b"1\n" * 2**24, 9))

    assert tally.lines < 2**22


def test_file_that_packs_well_is_no_bomb(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "FREE_UNPACKED", 0)
    data = b"".join(b'{"resourceType":"Patient","id":"%d"}\n' % number for number in range(5000))

    assert counted(gzip.compress(data)) == 5000


@pytest.mark.parametrize("packed", [False, True])
def test_line_that_does_not_end_is_left_alone(monkeypatch: pytest.MonkeyPatch, packed: bool) -> None:
    monkeypatch.setattr(bounds, "MAX_LINE", 2**20)
    data = b'{"resourceType":"Patient","id":"' + b"1" * 2**21
    sent = gzip.compress(data) if packed else data

    with pytest.raises(Absurd, match="longer than 1 MiB"):
        counted(*cut(sent, 2**16))


def test_long_line_within_the_bound_is_counted() -> None:
    line = b'{"resourceType":"Binary","data":"' + b"A" * 3_000_000 + b'"}\n'

    assert counted(*cut(line + PATIENT, 2**20)) == 2
