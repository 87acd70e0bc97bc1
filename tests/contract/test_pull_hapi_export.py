"""A real HAPI FHIR server, pulled by its own $export and by search, brings what reading each resource by itself brings."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.cli import Ran, reluth
from tests.support.fault_bench import held_by
from tests.support.fault_clock import SkippingClock
from tests.support.fault_ward import TYPES, Ward
from tests.support.hapi_server import load_patients, running_hapi, unload
from tests.support.hospital import write_feed

pytestmark = pytest.mark.hapi

#: HAPI asks to be left alone for two minutes while it exports for two seconds.
_REAL_SECONDS = 0.5
_MINE = b"feed-"


@pytest.fixture(scope="module")
def hapi(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The ward in HAPI, under ids that no other test has; yields the base URL."""
    found: dict[str, Iterable[bytes]] = {}
    for type_, _, raw in Ward().held():
        own = raw.replace(b'"id":"', b'"id":"' + _MINE).replace(b'"Patient/', b'"Patient/' + _MINE)
        found[type_] = [*found.get(type_, ()), own]
    feed = write_feed(tmp_path_factory.mktemp("feed"), found)
    base_url = running_hapi()
    loaded = load_patients(base_url, feed, [f"feed-p{number}" for number in range(40)])
    assert sum(map(len, loaded.values())) == 320
    yield base_url
    unload(base_url, loaded)


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> SkippingClock:
    clock = SkippingClock(real=_REAL_SECONDS)
    clock.install(monkeypatch)
    return clock


def _pull(folder: Path, base_url: str, *lines: str) -> Ran:
    site = ["[sites.ward]", f'base_url = "{base_url}"', f"types = {list(TYPES)}", *lines]
    (folder / "adapter.toml").write_text("\n".join(site) + "\n", encoding="utf-8")
    return reluth("--config", folder / "adapter.toml", "--store", folder / "var", "pull", "--site", "ward", "--json")


def _read_each(base_url: str, references: list[str]) -> dict[str, Any]:
    with httpx.Client(trust_env=False, timeout=60) as client:
        return {reference: _parsed(client.get(f"{base_url}/{reference}").content) for reference in references}


def _parsed(raw: bytes) -> Any:
    # Decimals as they are written: 1.10 is not 1.1.
    return json.loads(raw, parse_float=str)


def _held(folder: Path) -> dict[str, Any]:
    found = [_parsed(raw) for raw in held_by(folder / "var").live]
    return {f"{resource['resourceType']}/{resource['id']}": resource for resource in found}


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param(['mode = "search"'], id="search"),
        pytest.param(['mode = "search"', "search.post = true", "search.count = 17"], id="search-by-post"),
        pytest.param(['mode = "search"', 'search.plan = "patient"'], id="search-by-patient"),
        pytest.param(['mode = "bulk"', 'bulk.level = "system"'], id="export-of-the-system"),
        pytest.param(['mode = "bulk"', 'bulk.level = "patient"', 'bulk.method = "post"'], id="export-of-patients"),
    ],
)
def test_pull_of_hapi_brings_what_reading_each_brings(tmp_path: Path, hapi: str, lines: list[str]) -> None:
    ran = _pull(tmp_path, hapi, *lines)

    assert (ran.code, ran.object["complete"]) == (0, True), ran.err
    held = _held(tmp_path)
    # Other tests have left records on this server; they are to be right too.
    assert {f"{type_}/feed-{id_}" for type_, id_, _ in Ward().held()} <= set(held)
    assert held == _read_each(hapi, sorted(held))


@pytest.mark.parametrize(
    "lines", [pytest.param(['mode = "search"'], id="search"), pytest.param(['mode = "bulk"'], id="export")]
)
def test_pull_of_hapi_again_brings_what_changed(
    tmp_path: Path, hapi: str, lines: list[str], clock: SkippingClock
) -> None:
    assert _pull(tmp_path, hapi, *lines).code == 0
    reference = f"Observation/feed-o{7 if 'search' in lines[0] else 8}"
    with httpx.Client(trust_env=False, timeout=60) as client:
        resource = client.get(f"{hapi}/{reference}").json()
        resource["status"] = "amended"
        changed = client.put(f"{hapi}/{reference}", json=resource)
        assert changed.status_code == httpx.codes.OK

    ran = _pull(tmp_path, hapi, *lines)

    assert ran.code == 0, ran.err
    assert ran.object["types"]["Observation"]["changed"] == 1
    assert _held(tmp_path)[reference] == _parsed(changed.content)


def test_pull_of_hapi_by_search_finds_what_was_deleted(tmp_path: Path, hapi: str) -> None:
    reference = "Condition/feed-c3"
    assert _pull(tmp_path, hapi, 'mode = "search"').code == 0
    assert reference in _held(tmp_path)
    with httpx.Client(trust_env=False, timeout=60) as client:
        resource = client.get(f"{hapi}/{reference}").json()
        assert client.delete(f"{hapi}/{reference}").status_code in (httpx.codes.OK, httpx.codes.NO_CONTENT)
        try:
            ran = _pull(tmp_path, hapi, 'mode = "search"')

            assert ran.code == 0, ran.err
            assert ran.object["types"]["Condition"]["deleted"] == 1
            assert reference not in _held(tmp_path)
        finally:
            client.put(f"{hapi}/{reference}", json=resource)
