"""In: a file server that does all that servers do. Out: proof that a file is accepted whole or not at all, and not fetched twice."""

from __future__ import annotations

import gzip
import hashlib
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

import pytest

from adapter.client import (
    BearerAuth,
    NotFound,
    Refused,
    RetryPolicy,
    RunBudget,
    SiteAddress,
    SiteAuth,
    Unavailable,
    UnusableAnswer,
)
from adapter.client import tally as bounds
from adapter.client.download import Downloader, Received
from adapter.client.manifest import ExportFile
from adapter.errors import StorageError
from tests.unit.client.conftest import RecordedClock
from tests.unit.client.file_server import Asked, FileServer, Reply, answer, serving

LINES = b"".join(b'{"resourceType":"Patient","id":"%d"}\n' % number for number in range(100))
COUNT = 100
STRONG = '"v1"'

Fetch = Callable[..., Received]


@pytest.fixture
def to(tmp_path: Path) -> Path:
    return tmp_path / "000.ndjson"


def fetched(
    server: FileServer,
    to: Path,
    *,
    count: int | None = COUNT,
    auth: SiteAuth | None = None,
    with_token: bool = True,
    clock: RecordedClock | None = None,
    attempts: int = 4,
    budget: RunBudget | None = None,
    kind: Literal["output", "deleted", "error"] = "output",
    type_: str | None = "Patient",
) -> Received:
    address = SiteAddress(server.url, auth=auth, timeout=10)
    ticking = (clock or RecordedClock()).clock()
    with Downloader(address, policy=RetryPolicy(attempts=attempts), clock=ticking, budget=budget) as downloader:
        file = ExportFile(f"{server.origin}/files/1.ndjson?sig=a%2Fb", kind, type_, count)
        return downloader.download(file, to, with_token=with_token)


def left(to: Path) -> list[str]:
    """Names of what lies in the folder."""
    return sorted(path.name for path in to.parent.iterdir())


def chunked(body: bytes, *, cut: bool = False, **headers: str) -> bytes:
    head = answer(b"", length=None, Transfer_Encoding="chunked", **headers)
    half = len(body) // 2
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (body[:half], body[half:]) if part)
    return head + chunks + (b"" if cut else b"0\r\n\r\n")


# Accepted ---------------------------------------------------------------------------------------------------------------


def test_file_is_kept_as_it_was_sent(to: Path) -> None:
    with serving(answer(LINES, ETag='W/"1"')) as server:
        received = fetched(server, to)

    assert received == Received(len(LINES), COUNT, 'W/"1"')
    assert to.read_bytes() == LINES
    assert left(to) == [to.name]
    assert to.stat().st_mode & 0o777 == 0o600
    assert server.seen[0].path == "/files/1.ndjson?sig=a%2Fb"
    assert server.seen[0].headers["accept"] == "application/fhir+ndjson"
    assert server.seen[0].headers["accept-encoding"] == "gzip"


@pytest.mark.parametrize("labelled", [True, False])
def test_packed_file_is_kept_packed(to: Path, labelled: bool) -> None:
    packed = gzip.compress(LINES)
    label: dict[str, Any] = {"Content_Encoding": "gzip"} if labelled else {"Content_Type": "application/gzip"}
    with serving(answer(packed, **label)) as server:
        received = fetched(server, to)

    assert received == Received(len(packed), COUNT, None)
    assert to.read_bytes() == packed


@pytest.mark.parametrize("packed", [False, True])
def test_file_in_chunks_is_whole_when_its_end_is_marked(to: Path, packed: bool) -> None:
    body = gzip.compress(LINES) if packed else LINES
    headers: dict[str, Any] = {"Content_Encoding": "gzip"} if packed else {}
    with serving(chunked(body, cut=True, **headers), chunked(body, **headers)) as server:
        received = fetched(server, to, count=None)

    assert (received.bytes, received.lines) == (len(body), COUNT)
    assert to.read_bytes() == body
    assert len(server.seen) == 2


@pytest.mark.parametrize("kind", ["deleted", "error"])
def test_other_files_are_had_alike(to: Path, kind: Literal["deleted", "error"]) -> None:
    body = b'{"resourceType":"OperationOutcome","issue":[]}\n'
    with serving(answer(body)) as server:
        assert fetched(server, to, kind=kind, type_=None, count=1).lines == 1


def test_empty_file_is_whole(to: Path) -> None:
    with serving(answer(b"")) as server:
        assert fetched(server, to, count=None) == Received(0, 0, None)

    assert to.read_bytes() == b""


def test_last_line_without_its_end_is_whole(to: Path) -> None:
    with serving(answer(LINES.rstrip())) as server:
        assert fetched(server, to).lines == COUNT


def test_line_that_does_not_parse_within_the_file_is_for_the_store(to: Path) -> None:
    with serving(answer(b"{broken\n" + LINES)) as server:
        assert fetched(server, to, count=COUNT + 1).lines == COUNT + 1


def test_file_of_an_earlier_run_is_replaced(to: Path) -> None:
    to.write_bytes(b"old")
    with serving(answer(LINES)) as server:
        fetched(server, to)

    assert to.read_bytes() == LINES


def test_many_threads_share_one_downloader(tmp_path: Path) -> None:
    with serving(lambda asked: answer(b'{"resourceType":"Basic","id":"%b"}\n' % asked.path.encode())) as server:
        address = SiteAddress(server.url, auth=BearerAuth("secret-token"))
        with Downloader(address) as downloader, ThreadPoolExecutor(4) as pool:
            files = [ExportFile(f"{server.origin}/{number}", "output") for number in range(20)]
            names = [tmp_path / str(number) for number in range(20)]
            received = list(pool.map(lambda f, n: downloader.download(f, n, with_token=True), files, names))

    assert [one.lines for one in received] == [1] * 20
    assert all(b"/%d" % number in name.read_bytes() for number, name in enumerate(names))
    assert (downloader.traffic.sent, downloader.traffic.retried) == (20, 0)


# Cut, short, other than announced ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("come", [0, 20, len(LINES) // 2, len(LINES) - 1])
@pytest.mark.parametrize("etag", [None, 'W/"1"'])
def test_file_that_is_cut_is_fetched_again_from_the_start(to: Path, come: int, etag: str | None) -> None:
    headers: dict[str, Any] = {} if etag is None else {"ETag": etag}
    with serving(answer(LINES[:come], length=len(LINES), **headers), answer(LINES, **headers)) as server:
        fetched(server, to)

    assert to.read_bytes() == LINES
    assert all("range" not in asked.headers for asked in server.seen)
    assert left(to) == [to.name]


def test_file_that_is_cut_at_a_line_end_is_seen_by_its_bytes(to: Path) -> None:
    half = LINES[: LINES.index(b"\n", len(LINES) // 2) + 1]
    with serving(answer(half, length=len(LINES))) as server, pytest.raises(Unavailable, match="after 4 attempts"):
        fetched(server, to, count=None)

    assert not to.exists()
    assert len(server.seen) == 4


@pytest.mark.parametrize(
    ("body", "count", "problem"),
    [
        (LINES[:-37], COUNT, "99 lines came, 100 were announced"),
        (LINES + LINES[:36], COUNT, "101 lines came, 100 were announced"),
        (LINES[:-10], COUNT, "last line is no whole resource"),
        (b"<html>the proxy greets</html>", None, "last line is no whole resource"),
        (b'{"resourceType":"OperationOutcome","issue":[]}', None, "ends with an OperationOutcome"),
        (gzip.compress(LINES)[:-9], COUNT, "ends early"),
        (gzip.compress(LINES)[:-8] + bytes(8), COUNT, "damaged"),
    ],
)
def test_file_that_is_not_what_was_announced_is_refused_after_some_attempts(
    to: Path, body: bytes, count: int | None, problem: str
) -> None:
    with serving(answer(body, ETag=STRONG)) as server, pytest.raises(UnusableAnswer, match=problem):
        fetched(server, to, count=count, attempts=6)

    assert len(server.seen) == 3
    assert all("range" not in asked.headers for asked in server.seen)
    assert left(to) == []


def test_file_whose_lines_are_there_the_second_time_is_accepted(to: Path) -> None:
    with serving(answer(LINES[:37]), answer(LINES)) as server:
        assert fetched(server, to).lines == COUNT


@pytest.mark.parametrize(("body", "count"), [(LINES, COUNT), (gzip.compress(LINES), None)])
def test_file_of_untold_length_is_accepted_where_something_else_tells_its_end(
    to: Path, body: bytes, count: int | None
) -> None:
    with serving(answer(body, length=None)) as server:
        assert fetched(server, to, count=count).lines == COUNT


def test_file_whose_end_is_told_nowhere_is_refused(to: Path) -> None:
    with serving(answer(LINES, length=None)) as server, pytest.raises(UnusableAnswer, match="may have been cut"):
        fetched(server, to, count=None)

    assert left(to) == []


def test_file_packed_in_an_unwanted_way_is_refused(to: Path) -> None:
    with serving(answer(LINES, Content_Encoding="br")) as server, pytest.raises(UnusableAnswer, match="not asked for"):
        fetched(server, to)


def test_bomb_is_refused_at_once_and_leaves_nothing(to: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "FREE_UNPACKED", 2**20)
    bomb = gzip.compress(b"\n" * 2**25, 9)
    with serving(answer(bomb, ETag=STRONG)) as server, pytest.raises(UnusableAnswer, match="200 times"):
        fetched(server, to)

    assert len(server.seen) == 1
    assert left(to) == []


# Failing and coming back ------------------------------------------------------------------------------------------------


def test_busy_server_is_asked_again_no_sooner_than_it_wishes(to: Path) -> None:
    clock = RecordedClock()
    busy = [answer(status="503 Busy", Retry_After="40"), answer(status="429 Slow", Retry_After="20")]
    with serving(*busy, answer(status="500 Oops"), answer(LINES)) as server:
        fetched(server, to, clock=clock)

    assert clock.waits == [40.5, 20.5, 2.0]


def test_server_that_stays_busy_is_unavailable(to: Path) -> None:
    with serving(answer(status="503 Busy")) as server, pytest.raises(Unavailable, match="answered 503"):
        fetched(server, to)

    assert len(server.seen) == 4


def test_waits_are_taken_from_the_budget_of_the_run(to: Path) -> None:
    budget = RunBudget(50)
    busy = answer(status="503 Busy", Retry_After="40")
    with serving(busy, busy) as server, pytest.raises(Unavailable, match="retry_budget is used up"):
        fetched(server, to, budget=budget)

    assert len(server.seen) == 2
    assert budget.waited == 40.5


@pytest.mark.parametrize("status", ["404 Not Found", "410 Gone"])
def test_file_that_is_gone_is_not_found(to: Path, status: str) -> None:
    outcome = b'{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"not-found"}]}'
    with serving(answer(outcome, status=status)) as server, pytest.raises(NotFound, match="error/not-found") as caught:
        fetched(server, to)

    assert "sig" not in str(caught.value)
    assert left(to) == []


@pytest.mark.parametrize("status", ["403 Forbidden", "501 No"])
def test_refusal_is_told_at_once(to: Path, status: str) -> None:
    with serving(answer(status=status)) as server, pytest.raises(Refused):
        fetched(server, to)

    assert len(server.seen) == 1


@pytest.mark.parametrize("status", ["204 Nothing", "206 Partial", "304 As Before"])
def test_answer_that_is_no_file_is_unusable(to: Path, status: str) -> None:
    with serving(answer(status=status)) as server, pytest.raises(UnusableAnswer):
        fetched(server, to)


def test_nobody_listening_is_unavailable(to: Path) -> None:
    with serving(answer(LINES)) as server:
        pass
    with pytest.raises(Unavailable, match=r"no answer \(ConnectionError\), after 2 attempts"):
        fetched(server, to, attempts=2)


# Going on with a part ---------------------------------------------------------------------------------------------------


def ranged(body: bytes, *, etag: str = STRONG, cut: int | None = None) -> Callable[[Asked], bytes]:
    """Gives the rest that is asked for, or all of it; at most ``cut`` bytes of what it announces."""

    def reply(asked: Asked) -> bytes:
        wanted = asked.headers.get("range")
        if wanted is None or asked.headers.get("if-range") != etag:
            return answer(body[:cut], length=len(body), ETag=etag)
        start = int(wanted.removeprefix("bytes=").removesuffix("-"))
        rest = body[start:]
        told = f"bytes {start}-{len(body) - 1}/{len(body)}"
        head = {"status": "206 Partial Content", "ETag": etag, "Content_Range": told}
        return answer(rest[:cut], length=len(rest), **head)

    return reply


@pytest.mark.parametrize("packed", [False, True])
def test_rest_is_asked_for_where_the_etag_is_strong(to: Path, packed: bool) -> None:
    body = gzip.compress(LINES, 0) if packed else LINES
    with serving(ranged(body, cut=1000), ranged(body)) as server:
        received = fetched(server, to)

    assert received == Received(len(body), COUNT, STRONG)
    assert to.read_bytes() == body
    assert left(to) == [to.name]
    assert server.seen[1].headers["range"] == "bytes=1000-"
    assert server.seen[1].headers["if-range"] == STRONG


def test_later_process_goes_on_with_what_is_there(to: Path) -> None:
    with serving(ranged(LINES, cut=1000), answer(status="503 Busy"), ranged(LINES)) as server:
        with pytest.raises(Unavailable):
            fetched(server, to, attempts=2)
        kept = left(to)
        fetched(server, to)

    assert kept == ["000.ndjson.part", "000.ndjson.part.meta"]
    assert server.seen[2].headers["range"] == "bytes=1000-"
    assert to.read_bytes() == LINES


def test_part_that_holds_all_bytes_is_finished_by_the_last_one(to: Path) -> None:
    with serving(ranged(LINES, cut=1000), ranged(LINES)) as server:
        with pytest.raises(Unavailable):
            fetched(server, to, attempts=1)
        to.with_name("000.ndjson.part").write_bytes(LINES)
        fetched(server, to)

    assert server.seen[1].headers["range"] == f"bytes={len(LINES) - 1}-"
    assert to.read_bytes() == LINES


def test_large_file_over_a_poor_line_is_had_in_more_pieces_than_attempts(to: Path) -> None:
    body = b'{"resourceType":"Patient","id":"1"}\n' * 300_000
    with serving(ranged(body, cut=700_000)) as server:
        received = fetched(server, to, count=300_000, attempts=3)

    assert received.lines == 300_000
    assert len(server.seen) == 16
    assert hashlib.sha256(to.read_bytes()).digest() == hashlib.sha256(body).digest()


OTHER = b'{"resourceType":"Patient","id":"x"}\n' * COUNT


@pytest.mark.parametrize(
    "second",
    [
        ranged(OTHER, etag='"v2"'),
        answer(OTHER, status="206 Partial Content"),
        answer(OTHER, status="206 Partial Content", ETag=STRONG, Content_Range="bytes 0-3599/3600"),
        answer(OTHER, status="206 Partial Content", ETag='"v2"', Content_Range="bytes 1000-3689/3690"),
        answer(OTHER, status="206 Partial Content", Content_Range="bytes 1000-3689/3690"),
        answer(OTHER, status="206 Partial Content", ETag=STRONG, Content_Range="bytes 1000-2000/3690"),
        answer(OTHER, status="206 Partial Content", ETag=STRONG, Content_Range="bytes 1000-4000/4001"),
        answer(OTHER, status="206 Partial Content", ETag=STRONG, Content_Range="nonsense"),
        answer(OTHER, status="416 Range Not Satisfiable"),
    ],
)
def test_rest_of_another_file_is_never_put_behind_the_part(to: Path, second: Reply) -> None:
    with serving(ranged(LINES, cut=1000), second, answer(OTHER)) as server:
        fetched(server, to)

    assert to.read_bytes() == OTHER


def test_part_of_another_address_is_left_aside(to: Path) -> None:
    with serving(ranged(LINES, cut=1000)) as first, pytest.raises(Unavailable):
        fetched(first, to, attempts=1)
    with serving(ranged(OTHER)) as server:
        fetched(server, to)

    assert "range" not in server.seen[0].headers
    assert to.read_bytes() == OTHER


@pytest.mark.parametrize("meta", [b"", b"{", b'{"url":"x","etag":"y"}', b"\xff"])
def test_part_without_its_record_is_left_aside(to: Path, meta: bytes) -> None:
    to.with_name("000.ndjson.part").write_bytes(b"x" * 100)
    to.with_name("000.ndjson.part.meta").write_bytes(meta)
    with serving(ranged(LINES)) as server:
        fetched(server, to)

    assert "range" not in server.seen[0].headers
    assert to.read_bytes() == LINES


def test_part_that_a_power_cut_emptied_is_left_aside(to: Path) -> None:
    with serving(ranged(LINES, cut=1000), ranged(LINES)) as server:
        with pytest.raises(Unavailable):
            fetched(server, to, attempts=1)
        to.with_name("000.ndjson.part").write_bytes(LINES[:500] + bytes(500))
        fetched(server, to)

    assert "range" not in server.seen[1].headers
    assert to.read_bytes() == LINES


# This machine -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("etag", "kept"), [(None, []), (STRONG, ["000.ndjson.part", "000.ndjson.part.meta"])])
def test_disk_that_is_full_is_told_and_nothing_is_corrupt(
    to: Path, monkeypatch: pytest.MonkeyPatch, etag: str | None, kept: list[str]
) -> None:
    real = os.fsync

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    headers: dict[str, Any] = {} if etag is None else {"ETag": etag}
    with serving(answer(LINES, **headers), ranged(LINES)) as server:
        with pytest.raises(StorageError, match=r"000\.ndjson: cannot be written \(No space left on device\)"):
            fetched(server, to)
        after = left(to)
        monkeypatch.setattr(os, "fsync", real)
        fetched(server, to)

    assert after == kept
    assert to.read_bytes() == LINES


def test_folder_that_is_missing_is_told(tmp_path: Path) -> None:
    with serving(answer(LINES)) as server, pytest.raises(StorageError, match="No such file"):
        fetched(server, tmp_path / "missing" / "x.ndjson")


# Stopping ---------------------------------------------------------------------------------------------------------------


@pytest.fixture
def stoppable() -> Iterator[tuple[FileServer, Downloader, threading.Event]]:
    asked = threading.Event()

    def busy(_: Asked) -> bytes:
        asked.set()
        return answer(status="503 Busy", Retry_After="250")

    with serving(busy) as server, Downloader(SiteAddress(server.url)) as downloader:
        yield server, downloader, asked


def test_stop_ends_a_wait_at_once(to: Path, stoppable: tuple[FileServer, Downloader, threading.Event]) -> None:
    server, downloader, asked = stoppable
    file = ExportFile(f"{server.origin}/1", "output")
    with ThreadPoolExecutor(1) as pool:
        under_way = pool.submit(downloader.download, file, to, with_token=True)
        assert asked.wait(10)
        downloader.stop()
        with pytest.raises(Unavailable, match="stopped"):
            under_way.result(10)

    with pytest.raises(Unavailable, match="stopped"):
        downloader.download(file, to, with_token=True)
    assert len(server.seen) == 1
