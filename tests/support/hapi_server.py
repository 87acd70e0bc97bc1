"""In: Java, Maven and the module in ``hapi/``. Out: a HAPI FHIR JPA server (R4, R4B, R5) on loopback, patients in it.

The class path (320 MB in Maven's own repository) and the classes are made once, under ``.cache/hapi``.
"""

from __future__ import annotations

import atexit
import hashlib
import itertools
import os
import re
import shutil
import subprocess
import time
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Literal, NoReturn

import httpx
import msgspec
import pytest

from adapter.service.hospital_index import FeedIndex, index_feed

_ROOT = Path(__file__).resolve().parents[2]
_MODULE = Path(__file__).resolve().parent / "hapi"
_CACHE = _ROOT / ".cache" / "hapi"
_BUILD_SECONDS = 900
_START_SECONDS = 180
_REQUEST_SECONDS = 120.0
#: How often a request is made again after a version conflict.
_TIMES = 5
_BUNDLE_ENTRIES = 200
_PORT = re.compile(r"^PORT (\d+)$", re.MULTILINE)
_REFERENCE = re.compile(rb'"reference"\s*:\s*"([A-Z][A-Za-z]+/[A-Za-z0-9\-.]{1,64})"')
#: What others point to goes first, so that HAPI finds the target of each reference when it indexes it.
_FIRST = ("Organization", "Practitioner", "Medication", "ResearchStudy", "Patient", "Encounter", "Condition")

#: FHIR 4.0.1, 4.3.0 and 5.0.0.
Version = Literal["r4", "r4b", "r5"]

_shared = ExitStack()
_shared_urls: dict[Version, str] = {}
_numbers = itertools.count(1)


def running_hapi(version: Version = "r4") -> str:
    """Base URL of the one HAPI of a FHIR version in this test session, started at the first call.

    Its records are shared by all callers. Skips the test where Java or Maven are missing, and fails it there when
    CI=true.
    """
    if version not in _shared_urls:
        if not _shared_urls:
            atexit.register(_shared.close)
        _shared_urls[version] = _shared.enter_context(hapi_server(version))
    return _shared_urls[version]


@contextmanager
def hapi_server(version: Version = "r4") -> Iterator[str]:
    """A HAPI of one's own, empty; yields its base URL and ends it with the block.

    Skips the test where Java or Maven are missing, and fails it there when CI=true.
    """
    with java_process("HospitalServer", version, needed_by="HAPI") as (process, log_path):
        yield _wait_until_answering(process, log_path)


@contextmanager
def java_process(
    main: str, *arguments: str, needed_by: str, answers: bool = False
) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """A class of the module in ``hapi/`` in a process of its own, ended with the block.

    Args:
        main: name of the class.
        arguments: of its main method.
        needed_by: begins the sentence where Java or Maven are missing.
        answers: its standard output is for the caller to read, and does not go to the log.

    Yields:
        the process, whose standard input is the caller's, and its log, which stays if the block fails.
    """
    missing = [tool for tool in ("java", "javac", "mvn") if shutil.which(tool) is None]
    if missing:
        _cannot(f"{needed_by} needs {', '.join(missing)}, which this machine does not have.")
    jars = _class_path()
    class_path = f"{_classes(jars)}{os.pathsep}{jars}"
    log_path = _CACHE / f"{main}-{os.getpid()}-{next(_numbers)}.log"
    command = ["java", "-Xmx1500m", "-XX:TieredStopAtLevel=1", "-cp", class_path, main, *arguments]
    with (
        log_path.open("wb") as log,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE if answers else log, stderr=log
        ) as process,
    ):
        try:
            yield process, log_path
        finally:
            # Nothing is to be saved; were this process killed itself, Java would end with its standard input.
            with suppress(ProcessLookupError):
                process.kill()
            assert process.stdin is not None
            # What the caller wrote and Java, ended before its time, has not read.
            with suppress(BrokenPipeError):
                process.stdin.close()
    log_path.unlink(missing_ok=True)


def _cannot(sentence: str) -> NoReturn:
    if os.environ.get("CI") == "true":
        pytest.fail(sentence)
    pytest.skip(sentence)


def _class_path() -> str:
    """The class path, from Maven at the first time and after a change of the pom."""
    pom = _MODULE / "pom.xml"
    kept = _CACHE / f"class-path-{_digest(pom)}.txt"
    if kept.exists() and all(Path(jar).exists() for jar in kept.read_text().split(os.pathsep)):
        return kept.read_text()
    _CACHE.mkdir(parents=True, exist_ok=True)
    fresh = kept.with_suffix(f".{os.getpid()}")
    goal = ["dependency:build-classpath", f"-Dmdep.outputFile={fresh}"]
    _build(["mvn", "-B", "-ntp", "-q", "-f", str(pom), *goal], "Maven could not fetch HAPI.")
    fresh.replace(kept)
    return kept.read_text()


def _classes(class_path: str) -> Path:
    """Our few classes, compiled at the first time and after a change."""
    sources = sorted((_MODULE / "src").glob("*.java"))
    kept = _CACHE / f"classes-{_digest(*sources, _MODULE / 'pom.xml')}"
    if not kept.exists():
        fresh = kept.with_suffix(f".{os.getpid()}")
        command = ["javac", "-nowarn", "-cp", class_path, "-d", str(fresh), *map(str, sources)]
        _build(command, "The HAPI module does not compile.")
        try:
            fresh.rename(kept)
        except OSError:
            if not kept.exists():
                raise
            # Another test process was first.
            shutil.rmtree(fresh)
    return kept


def _build(command: list[str], sentence: str) -> None:
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_BUILD_SECONDS, check=False)
    if done.returncode:
        _cannot(f"{sentence} {(done.stdout + done.stderr)[-500:].decode(errors='replace')}")


def _digest(*files: Path) -> str:
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:12]


def _wait_until_answering(process: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        said = _PORT.search(log.read_text(errors="replace"))
        if said is not None:
            base_url = f"http://127.0.0.1:{said[1]}/fhir"
            # The first statement takes seconds to build: no test should pay for it.
            answer = httpx.get(f"{base_url}/metadata", timeout=_REQUEST_SECONDS, trust_env=False)
            assert answer.status_code == httpx.codes.OK, f"HAPI answered {answer.status_code} to /metadata"
            return base_url
        if process.poll() is not None:
            break
        time.sleep(0.2)
    process.kill()
    pytest.fail(f"HAPI did not start: {log.read_text(errors='replace')[-2000:]}")


def load_patients(base_url: str, directory: Path, ids: Collection[str]) -> dict[str, list[str]]:
    """Load patients of a folder of NDJSON into a server, each resource under its own id, current versions only.

    With a patient goes who was merged with them, everything about them, and what that points to (medications, ...).

    Args:
        base_url: FHIR base URL.
        directory: folder of ``<Type>.ndjson[.gz]``.
        ids: of the patients, bare or as ``Patient/id``.

    Returns:
        the ids that were loaded, by type.
    """
    feed = index_feed(directory)
    chosen = _with_targets(feed, _about(feed, {f"Patient/{name.removeprefix('Patient/')}" for name in ids}))
    order = {name: place for place, name in enumerate(_FIRST)}
    keys = sorted(chosen, key=lambda key: (order.get(key.split("/")[0], len(order)), key))
    entries = [
        b'{"resource":%b,"request":%b}' % (_raw(feed, key), msgspec.json.encode({"method": "PUT", "url": key}))
        for key in keys
    ]
    _transact(base_url, entries)
    loaded: dict[str, list[str]] = {}
    for key in keys:
        resource_type, _, name = key.partition("/")
        loaded.setdefault(resource_type, []).append(name)
    return loaded


def unload(base_url: str, loaded: dict[str, list[str]]) -> None:
    """Delete what `load_patients` loaded, so that other tests on the same server do not find it."""
    keys = [f"{resource_type}/{name}" for resource_type, names in loaded.items() for name in names]
    with httpx.Client(timeout=_REQUEST_SECONDS, trust_env=False) as client:
        # One by one and in reverse: in one transaction HAPI 8.8.0 trips over the links between what it deletes.
        for key in reversed(keys):
            answer = client.delete(f"{base_url}/{key}")
            for _ in range(_TIMES):
                # HAPI's own jobs touch resources too: a version conflict passes by itself.
                if answer.status_code not in (httpx.codes.CONFLICT, httpx.codes.PRECONDITION_FAILED):
                    break
                time.sleep(1)
                answer = client.delete(f"{base_url}/{key}")
            assert answer.status_code == httpx.codes.OK, answer.text[:2000]


def _transact(base_url: str, entries: list[bytes]) -> None:
    with httpx.Client(timeout=_REQUEST_SECONDS, trust_env=False) as client:
        for start in range(0, len(entries), _BUNDLE_ENTRIES):
            part = b",".join(entries[start : start + _BUNDLE_ENTRIES])
            body = b'{"resourceType":"Bundle","type":"transaction","entry":[' + part + b"]}"
            headers = {"Content-Type": "application/fhir+json"}
            answer = client.post(base_url, content=body, headers=headers)
            for _ in range(_TIMES):
                if answer.status_code not in (httpx.codes.CONFLICT, httpx.codes.PRECONDITION_FAILED):
                    break
                time.sleep(1)
                answer = client.post(base_url, content=body, headers=headers)
            assert answer.status_code == httpx.codes.OK, answer.text[:2000]


def _about(feed: FeedIndex, patients: set[str]) -> set[str]:
    """The patients, those merged with them, and all resources about any of them."""
    patients = _with_merged(feed, patients)
    chosen = set(patients)
    for index in feed.types.values():
        for patient in patients:
            chosen |= {f"{index.resource_type}/{index.ids[row]}" for row in index.by_patient.get(patient, ())}
    return chosen


def _with_merged(feed: FeedIndex, patients: set[str]) -> set[str]:
    """Follow Patient.link, which may stand on either side only."""
    index = feed.types["Patient"]
    linked: dict[str, set[str]] = {}
    for row, name in enumerate(index.ids):
        patient: dict[str, Any] = msgspec.json.decode(index.raw(row))
        for link in patient.get("link", []):
            if link.get("type") in {"replaced-by", "replaces"}:
                other = link["other"]["reference"]
                linked.setdefault(f"Patient/{name}", set()).add(other)
                linked.setdefault(other, set()).add(f"Patient/{name}")
    found, open_ends = set(patients), list(patients)
    while open_ends:
        fresh = linked.get(open_ends.pop(), set()) - found
        found |= fresh
        open_ends += fresh
    unknown = sorted(found - {f"Patient/{name}" for name in index.ids})
    assert not unknown, f"not in the folder: {unknown[:5]}"
    return found


def _with_targets(feed: FeedIndex, chosen: set[str]) -> set[str]:
    """Add what the chosen point to, and what that points to, but no further patients."""
    found, open_ends = set(chosen), list(chosen)
    while open_ends:
        for match in _REFERENCE.finditer(_raw(feed, open_ends.pop())):
            key = match[1].decode()
            resource_type, _, name = key.partition("/")
            index = feed.types.get(resource_type)
            if key not in found and resource_type != "Patient" and index is not None and name in index.rows:
                found.add(key)
                open_ends.append(key)
    return found


def _raw(feed: FeedIndex, key: str) -> bytes:
    resource_type, _, name = key.partition("/")
    index = feed.types[resource_type]
    return index.raw(index.rows[name])
