"""Promises of a bulk source: what is on disk is not fetched again, what is missing is named, nothing else is believed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from adapter.client import (
    Capability,
    ExportFile,
    ExportRequest,
    Manifest,
    NotFound,
    Refused,
    TypeCapability,
    Unavailable,
)
from adapter.client.download import Downloader, Received
from adapter.client.site import SiteClient
from adapter.client.transport import Traffic
from adapter.errors import RemoteError, TransientError
from adapter.store import Store
from adapter.sync import PullSummary, pull
from adapter.sync.bulk_source import BulkOptions, BulkSource
from tests.unit.store.making import live, observation, patient

ROOT = "https://fhir.hospital.example/r4"
TIME = "2025-06-01T08:00:00Z"
P = patient("p", version=1)
A, B = observation("a", "p", version=1), observation("b", "p", version=1)


def url_of(name: str) -> str:
    return f"{ROOT}/files/{name}?signature=secret"


def output(name: str, type_: str | None, *, count: int | None = None) -> ExportFile:
    return ExportFile(url=url_of(name), kind="output", type=type_, count=count)


@dataclass
class Hospital:
    """A server and its exports.

    Attributes:
        files: of the manifest.
        content: of the files, by name.
        fails: errors of downloads by name, each once.
        gone: statuses that are not known any more.
    """

    files: list[ExportFile] = field(default_factory=list)
    content: dict[str, bytes] = field(default_factory=dict)
    fails: dict[str, list[BaseException]] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    waits: list[BaseException] = field(default_factory=list)
    times: list[str] = field(default_factory=lambda: [TIME] * 9)
    searches: bool = False
    has: dict[str, bytes] = field(default_factory=dict)
    asked: list[ExportRequest] = field(default_factory=list)
    polled: list[str] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    fetched: list[str] = field(default_factory=list)
    tokens: list[bool] = field(default_factory=list)
    root: str = ROOT
    traffic: Traffic = field(default_factory=Traffic)
    stopped: bool = False

    # As SiteClient

    def capability(self) -> Capability:
        interactions = frozenset({"read", "search-type"} if self.searches else ())
        types = dict.fromkeys(("Patient", "Observation", "Condition"), TypeCapability(interactions=interactions))
        return Capability("4.0.1", types=types)

    def bulk(self) -> Hospital:
        return self

    def remaining(self, resource_type: str, ids: Iterable[str]) -> dict[str, bytes]:
        return {id_: self.has[id_] for id_ in ids if id_ in self.has}

    # As BulkExport

    def kick_off(self, request: ExportRequest) -> str:
        self.asked.append(request)
        return f"{ROOT}/status/{len(self.asked)}"

    def wait(self, status_url: str, *, tell: Callable[[str], None], longest: float) -> Manifest:
        self.polled.append(status_url)
        if status_url in self.gone:
            raise NotFound(f"GET {status_url}", 404)
        if self.waits:
            raise self.waits.pop(0)
        tell("half done")
        wanted = self.asked[int(status_url.rpartition("/")[2]) - 1].types
        files = tuple(file for file in self.files if file.type in (None, "Basic", *wanted))
        return Manifest(self.times.pop(0), requires_access_token=True, files=files)

    def pages(self, first: Manifest, *, longest: float) -> Iterator[Manifest]:
        yield first

    def cancel(self, status_url: str) -> None:
        self.cancelled.append(status_url)

    # As Downloader

    def stop(self) -> None:
        self.stopped = True

    def download(self, file: ExportFile, to: Path, *, with_token: bool) -> Received:
        name = file.url.rpartition("/")[2].partition("?")[0]
        self.fetched.append(name)
        self.tokens.append(with_token)
        if self.fails.get(name):
            raise self.fails[name].pop(0)
        content = self.content[name]
        to.write_bytes(content)
        return Received(len(content), content.count(b"\n"), None)


@pytest.fixture
def hospital() -> Hospital:
    return Hospital(
        files=[output("p", "Patient"), output("o1", "Observation"), output("o2", "Observation")],
        content={"p": P + b"\n", "o1": A + b"\n", "o2": B + b"\n"},
    )


def source(
    hospital: Hospital, store: Store, types: Iterable[str] = ("Patient", "Observation"), **more: Any
) -> BulkSource:
    options = more.pop("options", BulkOptions(ExportRequest(), downloads=1))
    client, downloader = cast("SiteClient", hospital), cast("Downloader", hospital)
    return BulkSource(client, downloader, store.folder / "spool", types=list(types), options=options, **more)


def pulled(hospital: Hospital, store: Store, *, full: bool = False, **more: Any) -> PullSummary:
    return pull(store, source(hospital, store, **more), site="icm", full=full)


def spooled(store: Store) -> list[Path]:
    return [path for path in (store.folder / "spool").rglob("*") if path.is_file()]


def unavailable() -> Unavailable:
    return Unavailable(f"GET {ROOT}/files", "answered 503", attempts=6)


def test_export_is_stored_and_the_server_and_the_disk_forget_it(hospital: Hospital, store: Store) -> None:
    summary = pulled(hospital, store)

    assert (summary.exit_code, summary.transaction_time) == (0, TIME)
    assert live(store) == {"Patient/p": [A, B, P]}
    assert (hospital.cancelled, spooled(store)) == ([f"{ROOT}/status/1"], [])
    assert {mark.type: mark.transaction_time for mark in store.bookmarks("icm")} == dict.fromkeys(
        ("Patient", "Observation"), TIME
    )


def test_place_of_a_resource_is_the_file_without_its_right_of_access(hospital: Hospital, store: Store) -> None:
    pulled(hospital, store)

    (origin,) = store.lake.origins("icm", "Observation", "a")
    assert (origin.source, origin.line) == (f"{ROOT}/files/o1", 1)


def test_later_export_asks_for_what_changed_and_new_types_whole(hospital: Hospital, store: Store) -> None:
    pulled(hospital, store)
    hospital.times = ["2025-07-01T08:00:00Z", "2025-07-01T07:00:00+00:00"]

    summary = pulled(hospital, store, types=["Patient", "Observation", "Condition"])

    assert [(asked.types, asked.since) for asked in hospital.asked[1:]] == [
        (("Condition",), None),
        (("Patient", "Observation"), "2025-06-01T07:55:00Z"),
    ]
    # The earlier of the two holds for all: later ones would leave a gap.
    assert summary.transaction_time == "2025-07-01T07:00:00+00:00"


def test_two_exports_of_one_address_do_not_take_each_others_place(
    hospital: Hospital, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    pulled(hospital, store, types=["Patient"])
    begin = hospital.kick_off

    def restarted(request: ExportRequest) -> str:
        hospital.asked.clear()
        return begin(request)

    monkeypatch.setattr(hospital, "kick_off", restarted)
    summary = pulled(hospital, store)

    assert [request.types for request in hospital.asked] == [("Patient",)]
    assert set(hospital.polled[1:]) == {f"{ROOT}/status/1"}
    assert (summary.exit_code, live(store)) == (0, {"Patient/p": [A, B, P]})


def test_broken_off_export_goes_on_and_fetches_what_is_missing_only(hospital: Hospital, store: Store) -> None:
    hospital.fails["o2"] = [KeyboardInterrupt()]
    with pytest.raises(KeyboardInterrupt):
        pulled(hospital, store)
    assert hospital.stopped
    hospital.fetched.clear()

    summary = pulled(hospital, store)

    assert (hospital.fetched, len(hospital.asked), hospital.polled) == (["o2"], 1, [f"{ROOT}/status/1"])
    assert (summary.exit_code, live(store)) == (0, {"Patient/p": [A, B, P]})


def test_export_that_was_being_made_is_asked_for_and_not_begun_anew(hospital: Hospital, store: Store) -> None:
    hospital.waits = [unavailable()]
    with pytest.raises(TransientError):
        pulled(hospital, store)

    assert pulled(hospital, store).exit_code == 0
    assert (len(hospital.asked), hospital.polled) == (1, [f"{ROOT}/status/1"] * 2)


def test_export_that_the_server_forgot_is_begun_anew(hospital: Hospital, store: Store) -> None:
    hospital.waits = [unavailable()]
    with pytest.raises(TransientError):
        pulled(hospital, store)
    hospital.gone.add(f"{ROOT}/status/1")

    assert pulled(hospital, store).exit_code == 0
    assert len(hospital.asked) == 2


def test_export_that_failed_is_begun_anew(hospital: Hospital, store: Store) -> None:
    hospital.waits = [Refused(f"GET {ROOT}/status/1", 500)]
    with pytest.raises(Refused):
        pulled(hospital, store)

    assert pulled(hospital, store).exit_code == 0
    assert len(hospital.asked) == 2


def test_export_of_which_nothing_is_heard_in_pull_after_pull_is_begun_anew(hospital: Hospital, store: Store) -> None:
    hospital.waits = [unavailable() for _ in range(3)]
    for _ in range(3):
        with pytest.raises(TransientError):
            pulled(hospital, store)

    assert pulled(hospital, store).exit_code == 0
    assert (len(hospital.asked), hospital.polled) == (2, [f"{ROOT}/status/1"] * 3 + [f"{ROOT}/status/2"])


def test_pull_that_is_killed_again_and_again_gets_on(hospital: Hospital, store: Store) -> None:
    names = [f"o{number}" for number in range(8)]
    hospital.files = [output("p", "Patient"), *(output(name, "Observation") for name in names)]
    hospital.content |= {name: observation(name, "p", version=1) + b"\n" for name in names}
    for name in names:
        hospital.fails[name] = [KeyboardInterrupt()]
    for _ in names:
        with pytest.raises(KeyboardInterrupt):
            pulled(hospital, store)

    assert pulled(hospital, store).exit_code == 0
    assert (len(hospital.asked), hospital.fetched.count("p")) == (1, 1)


def test_broken_off_export_of_what_changed_is_not_gone_on_with_by_a_full_pull(hospital: Hospital, store: Store) -> None:
    pulled(hospital, store)
    hospital.waits = [unavailable()]
    with pytest.raises(TransientError):
        pulled(hospital, store)

    pulled(hospital, store, full=True)

    assert [asked.since for asked in hospital.asked] == [None, "2025-06-01T07:55:00Z", None]


def test_interrupt_while_the_server_works_calls_the_export_off(hospital: Hospital, store: Store) -> None:
    hospital.waits = [KeyboardInterrupt()]

    with pytest.raises(KeyboardInterrupt):
        pulled(hospital, store)

    assert (hospital.cancelled, spooled(store)) == ([f"{ROOT}/status/1"], [])


@pytest.mark.parametrize(
    ("error", "code"),
    [
        pytest.param(NotFound(f"GET {ROOT}/files/o1", 404), 5, id="missing"),
        pytest.param(RemoteError("refused"), 4, id="refused"),
    ],
)
def test_file_that_cannot_be_had_is_named_and_the_others_are_whole(
    hospital: Hospital, store: Store, error: RemoteError, code: int
) -> None:
    hospital.fails["o1"] = [error]

    summary = pulled(hospital, store)

    assert (summary.exit_code, summary.complete) == (code, False)
    (item,) = summary.quarantine
    assert (item.url, item.reason) == (f"{ROOT}/files/o1", str(error))
    assert live(store) == {"Patient/p": [B, P]}
    assert (store.bookmark("icm", "Patient"), store.bookmark("icm", "Observation")) == (TIME, None)
    assert spooled(store) == []


def test_file_that_may_be_had_later_is_fetched_alone_by_the_next_pull(hospital: Hospital, store: Store) -> None:
    hospital.fails["o1"] = [unavailable()]
    first = pulled(hospital, store)
    hospital.fetched.clear()

    second = pulled(hospital, store)

    assert (first.exit_code, second.exit_code, hospital.fetched) == (75, 0, ["o1"])
    assert (len(hospital.asked), live(store)) == (1, {"Patient/p": [A, B, P]})
    assert store.bookmark("icm", "Observation") == TIME


@dataclass
class Signing(Hospital):
    """Signs the addresses of files anew each time that it is asked for the manifest; a signature holds for so many files."""

    holds_for: int = 1
    left: int = 0

    def wait(self, status_url: str, *, tell: Callable[[str], None], longest: float) -> Manifest:
        manifest = super().wait(status_url, tell=tell, longest=longest)
        self.left = self.holds_for
        signed = [
            msgspec.structs.replace(file, url=f"{file.url.partition('?')[0]}?signature={len(self.polled)}")
            for file in manifest.files
        ]
        return msgspec.structs.replace(manifest, files=tuple(signed), requires_access_token=False)

    def download(self, file: ExportFile, to: Path, *, with_token: bool) -> Received:
        if not self.left or not file.url.endswith(f"={len(self.polled)}"):
            raise Refused(f"GET {file.url.partition('?')[0]}", 403)
        self.left -= 1
        return super().download(file, to, with_token=with_token)


def test_files_whose_signed_addresses_have_ended_come_by_new_ones(hospital: Hospital, store: Store) -> None:
    signing = Signing(files=hospital.files, content=hospital.content)

    summary = pulled(signing, store)

    assert (summary.exit_code, live(store)) == (0, {"Patient/p": [A, B, P]})
    assert (signing.fetched, len(signing.asked), len(signing.polled)) == (["p", "o1", "o2"], 1, 3)
    assert spooled(store) == []


def test_broken_off_export_whose_signed_addresses_have_ended_goes_on(hospital: Hospital, store: Store) -> None:
    signing = Signing(files=hospital.files, content=hospital.content, holds_for=9)
    signing.fails["o1"] = [KeyboardInterrupt()]
    with pytest.raises(KeyboardInterrupt):
        pulled(signing, store)
    signing.left = 0

    assert pulled(signing, store).exit_code == 0
    assert (signing.fetched, len(signing.asked)) == (["p", "o1", "o1", "o2"], 1)


def test_files_whose_new_addresses_are_not_told_now_come_with_the_next_pull(hospital: Hospital, store: Store) -> None:
    signing = Signing(files=hospital.files, content=hospital.content)
    begin = signing.download

    def away(file: ExportFile, to: Path, *, with_token: bool) -> Received:
        received = begin(file, to, with_token=with_token)
        signing.waits = [unavailable()]
        return received

    signing.download = away  # type: ignore[method-assign]
    with pytest.raises(TransientError):
        pulled(signing, store)
    del signing.download
    signing.waits, signing.holds_for = [], 9

    assert pulled(signing, store).exit_code == 0
    assert (signing.fetched, len(signing.asked)) == (["p", "o1", "o2"], 1)


def test_files_that_are_refused_at_new_addresses_too_are_named(hospital: Hospital, store: Store) -> None:
    signing = Signing(files=hospital.files, content=hospital.content, holds_for=0)

    summary = pulled(signing, store)

    assert (summary.exit_code, len(summary.quarantine), len(signing.polled)) == (4, 3, 2)
    assert spooled(store) == []


def test_file_that_never_comes_does_not_hold_up_the_feed_for_ever(hospital: Hospital, store: Store) -> None:
    hospital.fails["o1"] = [unavailable() for _ in range(9)]

    codes = [pulled(hospital, store).exit_code for _ in range(4)]

    assert codes == [75] * 4
    # The fourth has new exports made: all of what never was whole, and what changed of the rest.
    assert [asked.types for asked in hospital.asked] == [("Patient", "Observation"), ("Observation",), ("Patient",)]


def test_type_that_was_not_asked_for_is_not_fetched(hospital: Hospital, store: Store) -> None:
    hospital.files.append(output("more", "Basic"))

    summary = pulled(hospital, store)

    assert "more" not in hospital.fetched
    assert summary.notices == ["Basic: exported, though not asked for; not fetched"]


def test_files_sorted_by_patient_hold_any_type(hospital: Hospital, store: Store) -> None:
    hospital.files, hospital.content = [output("x", None)], {"x": P + b"\n" + A + b"\n"}

    summary = pulled(hospital, store)

    assert (summary.exit_code, live(store)) == (0, {"Patient/p": [A, P]})


def test_missing_file_of_any_type_leaves_no_type_whole(hospital: Hospital, store: Store) -> None:
    hospital.files.append(output("x", None))
    hospital.fails["x"] = [NotFound("GET x", 404)]

    summary = pulled(hospital, store)

    assert (summary.exit_code, store.bookmarks("icm")) == (5, [])


def bundle(*entries: tuple[str, str]) -> bytes:
    listed = [{"request": {"method": method, "url": url}} for method, url in entries]
    return msgspec.json.encode({"resourceType": "Bundle", "type": "transaction", "entry": listed}) + b"\n"


def test_deletions_of_an_export_are_applied(hospital: Hospital, store: Store) -> None:
    pulled(hospital, store)
    hospital.files = [ExportFile(url=url_of("gone"), kind="deleted")]
    hospital.content["gone"] = bundle(("DELETE", "Observation/a")) + bundle(("DELETE", f"{ROOT}/Observation/never"))

    summary = pulled(hospital, store)

    assert (summary.exit_code, summary.types["Observation"].deleted) == (0, 1)
    assert live(store) == {"Patient/p": [B, P]}


def test_deletion_is_asked_for_where_the_server_can_be_asked(hospital: Hospital, store: Store) -> None:
    pulled(hospital, store)
    hospital.files = [ExportFile(url=url_of("gone"), kind="deleted")]
    hospital.content["gone"] = bundle(("DELETE", "Observation/a"))
    hospital.searches, hospital.has = True, {"a": A}

    assert pulled(hospital, store).types["Observation"].deleted == 0
    assert live(store) == {"Patient/p": [A, B, P]}


@pytest.mark.parametrize(
    "line",
    [
        bundle(("PUT", "Observation/a")),
        bundle(("DELETE", "Observation?patient=1")),
        bundle(("DELETE", "Weird/1")),
        b'{"resourceType": "Patient", "id": "x"}\n',
        b"not JSON\n",
    ],
)
def test_deletion_that_cannot_be_read_is_named_and_no_bookmark_moves(
    hospital: Hospital, store: Store, line: bytes
) -> None:
    hospital.files.append(ExportFile(url=url_of("gone"), kind="deleted"))
    hospital.content["gone"] = line

    summary = pulled(hospital, store)

    assert (summary.exit_code, len(summary.quarantine), store.bookmarks("icm")) == (5, 1, [])


def outcome(severity: str, code: str = "processing") -> bytes:
    issue = {"severity": severity, "code": code, "diagnostics": "of Dupont"}
    return msgspec.json.encode({"resourceType": "OperationOutcome", "issue": [issue]}) + b"\n"


@pytest.mark.parametrize(("severity", "code"), [("error", "processing"), ("warning", "incomplete")])
def test_loss_that_the_export_reports_is_loud(hospital: Hospital, store: Store, severity: str, code: str) -> None:
    hospital.files.append(ExportFile(url=url_of("e"), kind="error"))
    hospital.content["e"] = outcome(severity, code)

    summary = pulled(hospital, store)

    assert (summary.exit_code, summary.complete, store.bookmarks("icm")) == (5, False, [])
    assert "Dupont" not in summary.to_json()


def test_remark_of_the_export_is_a_notice(hospital: Hospital, store: Store) -> None:
    hospital.files.append(ExportFile(url=url_of("e"), kind="error"))
    hospital.content["e"] = outcome("information")

    summary = pulled(hospital, store)

    assert (summary.exit_code, len(summary.notices)) == (0, 1)
    assert "Dupont" not in summary.notices[0]


def test_cut_file_is_not_whole_though_it_was_accepted(hospital: Hospital, store: Store) -> None:
    hospital.content["o1"] = A + b"\n" + B[:40]

    summary = pulled(hospital, store)

    assert (summary.exit_code, store.bookmark("icm", "Observation"), store.bookmark("icm", "Patient")) == (
        5,
        None,
        TIME,
    )


def test_quiet_hours_that_begin_meanwhile_leave_the_rest_for_later(hospital: Hospital, store: Store) -> None:
    asked = iter([None, None, TransientError("quiet hours")])

    def may_ask() -> None:
        error = next(asked)
        if error is not None:
            raise error

    with pytest.raises(TransientError, match="quiet hours"):
        pulled(hospital, store, may_ask=may_ask)
    assert hospital.fetched == ["p"]

    assert pulled(hospital, store).exit_code == 0
    assert hospital.fetched == ["p", "o1", "o2"]


def test_token_goes_with_files_where_the_manifest_wants_it(hospital: Hospital, store: Store) -> None:
    pulled(hospital, store)

    assert hospital.tokens == [True] * 3


def test_narrowed_export_says_nothing_of_what_it_does_not_bring(hospital: Hospital, store: Store) -> None:
    pulled(hospital, store)
    hospital.files = [output("p", "Patient")]
    narrowed = BulkOptions(ExportRequest(type_filters=("Observation?code=718-7",)), downloads=1)

    pulled(hospital, store, full=True, options=narrowed)

    assert live(store) == {"Patient/p": [A, B, P]}


def test_full_export_finds_what_is_gone(hospital: Hospital, store: Store) -> None:
    pulled(hospital, store)
    hospital.content["o2"] = b""

    summary = pulled(hospital, store, full=True)

    assert (summary.types["Observation"].deleted, live(store)) == (1, {"Patient/p": [A, P]})
