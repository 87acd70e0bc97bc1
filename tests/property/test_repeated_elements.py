"""In: resources of many kinds, whole, broken and mutilated. Out: whether the quick way to their summaries says what the long way says."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapter.fhir import ALWAYS, Summariser, parse_when, repeated, summarise
from adapter.fhir.dates import calendar_day
from adapter.fhir.stamps import instant, version_number
from adapter.simulate import simulate
from adapter.store import Store
from adapter.store.segments import bucket_of
from adapter.sync import FolderSource, pull

SYNTHEA = Path(__file__).resolve().parents[3] / "shared" / "feed" / "synthea-r4"
STEADY = settings(derandomize=True, max_examples=300, deadline=None)


def said(way: object, raw: bytes) -> object:
    """What a way to the summary says, its complaint included."""
    try:
        return way(raw)  # type: ignore[operator] # either of two functions
    except Exception as error:  # noqa: BLE001 - whatever it is, both must say it
        return type(error), str(error), getattr(error, "reference", None)


@pytest.fixture(scope="module")
def feed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("feed")
    simulate(folder, patients=60, seed=3)
    (folder / "truth.ndjson").unlink()
    return folder


@pytest.fixture
def long_ways(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What was read the long way."""
    taken: list[bytes] = []

    def noted(raw: bytes) -> object:
        taken.append(raw)
        return summarise(raw)

    monkeypatch.setattr(repeated, "summarise", noted)
    return taken


def lines_of(folder: Path) -> Iterator[bytes]:
    for path in sorted(folder.glob("*.ndjson*")):
        data = path.read_bytes()
        yield from (gzip.decompress(data) if path.suffix == ".gz" else data).splitlines()


def test_the_simulated_feed_is_summed_up_the_quick_way_as_the_long_way(feed: Path, long_ways: list[bytes]) -> None:
    lines, summariser = list(lines_of(feed)), Summariser()

    assert [summariser.summarise(raw) for raw in lines] == [summarise(raw) for raw in lines]
    assert len(lines) > 1_000 and long_ways == []


@pytest.mark.skipif(not SYNTHEA.is_dir(), reason="the Synthea feed beside the project is missing")
def test_synthea_is_summed_up_the_quick_way_as_the_long_way(long_ways: list[bytes]) -> None:
    lines, summariser = list(lines_of(SYNTHEA)), Summariser()

    assert [summariser.summarise(raw) for raw in lines] == [summarise(raw) for raw in lines]
    assert len(lines) > 26_000 and long_ways == []


def test_forgetting_changes_nothing(feed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeated, "_ROOM", 5_000)
    monkeypatch.setattr(repeated, "_LONGEST", 200)
    monkeypatch.setattr(repeated, "_MOST_SHAPES", 3)
    lines, summariser = list(lines_of(feed)), Summariser()

    assert [summariser.summarise(raw) for raw in lines] == [summarise(raw) for raw in lines]


def test_the_index_of_a_store_holds_what_the_long_way_says_of_each_row(feed: Path, tmp_path: Path) -> None:
    with Store.open(tmp_path / "var") as store:
        pull(store, FolderSource(feed), site="icm")
        rows = 0
        for path in store.lake.index_files("icm"):
            index = pq.read_table(path, partitioning=None).to_pylist()
            lake = pq.read_table(path.replace("/index/", "/lake/"), partitioning=None).to_pylist()
            for found, kept in zip(index, lake, strict=True):
                told = summarise(kept["raw"])
                kept_of_it = [name for name in told.__struct_fields__ if not name.endswith(("_base", "_bases"))]
                expected = {name: getattr(told, name) for name in kept_of_it} | {
                    "version_number": version_number(told.version),
                    "updated": instant(told.last_updated),
                    "bucket": bucket_of(told.patient),
                }
                assert {name: found[name] for name in expected} == expected
                assert found.keys() == expected.keys() | {"seq", "sha256"}
                assert (found["seq"], found["sha256"]) == (kept["seq"], kept["sha256"])
                rows += 1

    assert rows == sum(1 for _ in lines_of(feed))


HEAD = b'{"resourceType":"Observation","id":"1"'
CONCEPT = b'{"coding":[{"system":"s","code":"c","display":"d"}],"text":"t"}'
NASTY = [
    b"",
    b"{",
    b"{}",
    b"null",
    b"[]",
    b"\xef\xbb\xbf" + HEAD + b"}",
    HEAD,
    HEAD + b"} ",
    HEAD + b"}{}",
    HEAD + b"}\x00",
    HEAD + b',"x":"\x00"}',
    HEAD + b',"x":"\\u0000"}',
    HEAD + b',"x":"\xff"}',
    HEAD + b',"\xff":1}',
    HEAD + b',"x":"\xed\xa0\x80"}',
    HEAD + b',"x":"\\ud800"}',
    HEAD + b',"x":"\\ud83d\\ude00","note":[{"text":"\\ud83d\\ude00"}]}',
    HEAD + b',"code":{"text":"H\\u00e9mo\\/globine \\" \\\\":"}}',
    HEAD + b',"id":"2"}',
    HEAD + b',"resourceType":"Patient"}',
    HEAD + b',"status":"final","status":"final"}',
    HEAD + b',"status":"final","st\\u0061tus":"amended"}',
    HEAD + b',"st\\u0061tus":"final"}',
    HEAD + b',"\xc3\xa9":"x","status":"final"}',
    HEAD + b',"":1}',
    HEAD + b',"a b":1,"a b":2}',
    HEAD + b',"code":{"text":"a","text":"b"}}',
    HEAD + b',"code":{"text":"a","t\\u0065xt":"b"}}',
    HEAD + b',"code":{"text":"a","text" :"b"}}',
    HEAD + b',"code":{"text":"a\\":","text":"b"}}',
    HEAD + b',"code":{"text" :"\\":"}}',
    HEAD + b',"code":{"coding":[{"code":"a","code":"a","system":"s"}]}}',
    HEAD + b',"code" : ' + CONCEPT + b' , "status":"final"}',
    HEAD + b',"code":' + CONCEPT + b',"status":"final"}',
    HEAD + b',"code":' + CONCEPT + b',"valueCodeableConcept":' + CONCEPT + b',"method":{"text":"u"}}',
    HEAD + b',"code":"718-7"}',
    HEAD + b',"code":"718-7","system":"s"}',
    HEAD + b',"code":null}',
    HEAD + b',"coding":[{"display":"d"}],"text":"t"}',
    HEAD + b',"text":"t","display":"d"}',
    HEAD + b',"text":"t","reference":"Patient/1"}',
    HEAD + b',"text":{"status":"generated","div":"<div>\\"a\\":</div>"}}',
    HEAD + b',"reference":"Patient/1"}',
    HEAD + b',"reference":{"reference":"Patient/1"}}',
    HEAD + b',"valueQuantity":{"value":"douze"}}',
    HEAD + b',"valueQuantity":{"value":"12.50"}}',
    HEAD + b',"valueQuantity":{"value":1.' + b"0" * 400 + b'1,"unit":"g"}}',
    HEAD + b',"valueQuantity":{"value":1e999}}',
    HEAD + b',"valueQuantity":{"value":1e400000000}}',
    HEAD + b',"valueQuantity":{"value":' + b"9" * 5000 + b"}}",
    HEAD + b',"valueQuantity":{"value":' + b"9" * 300 + b"}}",
    HEAD + b',"valueQuantity":{"value":-0}}',
    HEAD + b',"valueQuantity":{"value":01}}',
    HEAD + b',"valueQuantity":{"value":NaN}}',
    HEAD + b',"valueQuantity":{"value":5,"unit":"g","system":"u","code":"g"}}',
    HEAD + b',"valueQuantity":{"value":-7.25,"unit":"g","system":"u","code":"g"}}',
    HEAD + b',"valueQuantity":{"value":5,"value":6}}',
    HEAD + b',"valueQuantity":{"value":5,"unit":7}}',
    HEAD + b',"valueQuantity":{"value":5,"unit":"g"},"code":{"value":5,"coding":[]}}',
    HEAD + b',"method":{"value":1.5,"text":"t"},"status":{"value":1}}',
    HEAD + b',"subject":{"reference":"patient/1"},"patient":{"reference":"Nothing/1"}}',
    HEAD + b',"valueString":{"reference":"Patient/1"},"encounter":{"reference":"Encounter/1"}}',
    HEAD + b',"effectivePeriod":{"reference":"Patient/1"},"period":{"value":1}}',
    HEAD + b',"meta":{"reference":"Patient/1"},"link":{"reference":"Patient/1"}}',
    HEAD + b',"meta":{"versionId":"\\u0031","lastUpdated":"\xc3\xa9"}}',
    HEAD + b',"meta":{"versionId":"1","lastUpdated":"a\x01"}}',
    HEAD + b',"valueInteger":1.5}',
    HEAD + b',"valueInteger":9223372036854775808}',
    HEAD + b',"valueInteger":"1"}',
    HEAD + b',"valueBoolean":"true"}',
    HEAD + b',"valueString":7}',
    HEAD + b',"status":7}',
    HEAD + b',"status":null}',
    HEAD + b',"category":[]}',
    HEAD + b',"category":null}',
    HEAD + b',"meta":"secret"}',
    HEAD + b',"meta":{"versionId":1}}',
    HEAD + b',"meta":{"versionId":"10","lastUpdated":"2024-01-01T00:00:00Z","extra":[{}]}}',
    HEAD + b',"meta":null}',
    HEAD
    + b',"subject":{"reference":"Patient/1"},"performer":[{"reference":"Patient/1"},{"reference":"Practitioner/2"}]}',
    HEAD + b',"subject":{"reference":"Group/1"},"patient":{"reference":"https://x.org/Patient/2/_history/3"}}',
    HEAD + b',"subject":{"reference":"https://x.org/fhir/Patient/2"},"patient":{"reference":"Patient/3"}}',
    HEAD
    + b',"medicationReference":{"reference":"https://x.org/Medication/2"},"a":{"reference":"//y.org/Medication/2"}}',
    HEAD
    + b',"contained":[{"a":{"reference":"ftp://x.org/ResearchStudy/2/_history/1"}}],"study":{"reference":"/Medication/1"}}',
    b'{"resourceType":"Patient","id":"1","link":[{"type":"replaces","other":{"reference":"https://x.org/Patient/2"}}]}',
    b'{"resourceType":"Patient","id":"1","link":[{"other":{"reference":"Patient/2"}},{"other":{"reference":"//x/Patient/2"}}]}',
    HEAD + b',"subject":{"reference":7},"patient":{"reference":"Patient/2"}}',
    HEAD + b',"subject":[{"reference":"Patient/1"}]}',
    HEAD
    + b',"subject":{"reference":"#p"},"individual":{"reference":"urn:uuid:1"},"beneficiary":{"reference":"Patient/b"}}',
    HEAD + b',"effectiveDateTime":"soon","issued":"2024-05-31T22:30:00Z"}',
    HEAD + b',"effectiveDateTime":"2024-05","issued":"2024-05-31T22:30:00Z"}',
    HEAD + b',"effectiveDateTime":"2024-02-30","issued":"2024-02-28"}',
    HEAD + b',"issued":"2024-02-28","effectiveDateTime":" 2024-02-29 "}',
    HEAD + b',"effectiveDateTime":"2024-02-29T24:00:00Z"}',
    HEAD + b',"effectiveDateTime":"2024-02-29T23:59:60Z"}',
    HEAD + b',"effectivePeriod":{"start":"2024-02-29","end":"2024-02-01"}}',
    HEAD + b',"effectivePeriod":{"start":"2024-02-29T23:30:00Z","end":"2024-03-31"}}',
    HEAD + b',"effectivePeriod":{"start":"2024-02"}}',
    HEAD + b',"effectivePeriod":{"end":"2024-02-01"}}',
    HEAD + b',"effectivePeriod":{}}',
    HEAD + b',"period":[],"issued":"2024-02-01"}',
    HEAD + b',"x":' + b"[" * 63 + b"]" * 63 + b"}",
    HEAD + b',"x":' + b"[" * 400 + b"]" * 400 + b"}",
    HEAD + b',"x":' + b"[" * 5000 + b"]" * 5000 + b"}",
    HEAD + b',"x":' + b'{"y":' * 200 + CONCEPT + b"}" * 200 + b"}",
    HEAD + b',"note":[{"text":"' + b"x" * 5000 + b'"}]}',
    b'{"id":"1","resourceType":"Observation","status":"final"}',
    b'{"status":"final","id":"1","code":' + CONCEPT + b',"resourceType":"Observation"}',
    b'{"resourceType":"Observation","id":null}',
    b'{"resourceType":"Observation","id":"a b"}',
    b'{"resourceType":"Observation","id":"\\u0031"}',
    b'{"resourceType":"Observation"}',
    b'{"resourceType":"Observatio\\u006e","id":"1"}',
    b'{"resourceType":null,"id":"1"}',
    b'{"resourceType":"Nothing","id":"1"}',
    b'{"resourceType":"Patient","id":"1","link":[{"other":{"reference":"Patient/2"},"type":"replaced-by"}],"text":{"div":"x"}}',
    b'{"resourceType":"Patient","id":"1","link":{"reference":"Patient/2"}}',
    b'{"resourceType":"Patient","id":"1","link":null}',
    b'{"resourceType":"Patient","id":"1","link":[{"other":{"reference":"#2"}},{}]}',
    b'{"resourceType":"Patient","id":"1","link":[7]}',
    b'{"resourceType":"Basic","id":"1","link":[7],"code":' + CONCEPT + b',"subject":{"reference":"Patient/9"}}',
    b'{"resourceType":"QuestionnaireResponse","id":"1","questionnaire":"http://q|1","item":[{"answer":[{"valueCoding":{"system":"s","code":"c"}}]}]}',
    b'{"resourceType":"QuestionnaireResponse","id":"1","questionnaire":7}',
    b'{"resourceType":"MedicationAdministration","id":"1","contained":[{"resourceType":"Medication","id":"m","code":'
    + CONCEPT
    + b"}]}",
    b'{"resourceType":"MedicationAdministration","id":"1","contained":[{"resourceType":"Medication","id":"m","code":"x"}]}',
    b'{"resourceType":"MedicationRequest","id":"1","contained":[{"resourceType":"Medication","id":"m","code":"x"}]}',
    b'{"resourceType":"MedicationAdministration","id":"1","contained":[7,{"resourceType":"Device","code":"x"}]}',
    b'{"resourceType":"AllergyIntolerance","id":"1","type":"allergy","code":' + CONCEPT + b"}",
    b'{"resourceType":"AllergyIntolerance","id":"1","type":{"text":"allergy"}}',
    b'{"resourceType":"AllergyIntolerance","id":"1","type":7}',
    b'{"resourceType":"Medication","id":"1","code":' + CONCEPT + b',"batch":{"lotNumber":"L"}}',
    b'{"resourceType":"Observation","id":"1","note":[{"text":"%b"},{"text":"%b"}]}'
    % (b"long " * 4_000, b"longer " * 4_000),
    b'{"resourceType":"ValueSet","id":"1","compose":{"include":[{"system":"s","concept":[{"code":"c","display":"d"}]}]}}',
]


@pytest.mark.parametrize("raw", NASTY, ids=range(len(NASTY)))
def test_nasty_json_is_read_and_refused_the_same_way(raw: bytes) -> None:
    fresh, experienced = Summariser(), Summariser()
    for other in NASTY:
        said(experienced.summarise, other)
    expected = said(summarise, raw)

    assert [said(way.summarise, raw) for way in (fresh, fresh, experienced, experienced)] == [expected] * 4


@STEADY
@given(st.data())
def test_mutilated_resources_are_read_and_refused_the_same_way(data: st.DataObject) -> None:
    summariser = Summariser()
    bases = [raw for raw in NASTY if 40 < len(raw) < 400]
    for _ in range(4):
        raw = data.draw(st.sampled_from(bases))
        for _ in range(data.draw(st.integers(0, 3))):
            at, to, on = sorted(data.draw(st.lists(st.integers(0, len(raw)), min_size=3, max_size=3)))
            piece = data.draw(
                st.sampled_from([b"", raw[at:to], b'"', b":", b",", b"}", b"\\", b" ", b"1", b"\xc3", b"\t"])
            )
            raw = data.draw(st.sampled_from([raw[:at] + piece + raw[to:], raw[:on] + piece + raw[on:]]))
        assert said(summariser.summarise, raw) == said(summarise, raw), raw


names = st.sampled_from(
    ["code", "coding", "system", "display", "text", "reference", "subject", "meta", "status", "x", "é"]
)
scalars = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=4)
)
known = st.sampled_from(
    ["Patient/1", "Medication/2", "http://loinc.org", "718-7", "2024-05-01", "2024-05-01T10:00:00+02:00"]
)
trees = st.recursive(
    scalars | known,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=5),
    max_leaves=20,
)


@STEADY
@given(
    st.sampled_from(["Observation", "Patient", "Basic"]),
    st.lists(st.dictionaries(names, trees), min_size=1, max_size=4),
)
def test_any_tree_is_indexed_the_same_way(type_: str, bodies: list[dict[str, object]]) -> None:
    summariser = Summariser()
    for body in bodies:
        resource = {"resourceType": type_, "id": "1", **body}
        for separators in ((",", ":"), (", ", ": ")):
            for ascii_only in (True, False):
                raw = json.dumps(resource, separators=separators, ensure_ascii=ascii_only).encode(
                    "utf-8", "surrogatepass"
                )
                assert said(summariser.summarise, raw) == said(summarise, raw)


@STEADY
@given(
    st.datetimes(datetime(1975, 1, 1), datetime(2105, 1, 1)),  # noqa: DTZ001 - a zone is put on below
    st.integers(-15 * 60, 15 * 60),
    st.sampled_from(["auto", "seconds", "milliseconds", "minutes", "microseconds"]),
)
def test_calendar_day_is_that_of_parse_when(moment: datetime, minutes: int, precision: str) -> None:
    zoned = moment.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    for text in (
        zoned.isoformat(timespec=precision),
        str(moment.date()),
        moment.isoformat(),
        f"{moment.date()}T24:00:00Z",
    ):
        day, when = calendar_day(text), parse_when(text)
        if day is not None:
            assert when is not None and when.start > ALWAYS.start
            assert (str(when.earliest), str(when.latest)) == (day, day)
    assert calendar_day(f"{moment.date()}") is not None or not 1980 <= moment.year <= 2099
