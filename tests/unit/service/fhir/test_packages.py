"""Promises of published packages over HTTP: to clients that may have them, under addresses that never mean anything else."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from adapter.client.keys import make_key
from adapter.datasets.provider import publish
from tests.support.sponsor import HOME, Sponsor, StagingDouble, provider, sponsor_settings

KEY = make_key("ES384")
CONTENT = bytes(range(256)) * 4


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    limited = {"packages": True, "sites": ["chu_nord"]}
    settings = sponsor_settings(
        tmp_path, dict.fromkeys(("sponsor", "feeds", "limited"), KEY), sponsor={"packages": True}, limited=limited
    )
    with provider(settings, StagingDouble()) as (_, client):
        yield client


@pytest.fixture
def package_id(tmp_path: Path, client: TestClient) -> str:
    folder = tmp_path / "out"
    (folder / "sdtm").mkdir(parents=True)
    (folder / "sdtm/dm.xpt").write_bytes(CONTENT)
    told = {"files": {"sdtm/dm.xpt": hashlib.sha256(CONTENT).hexdigest()}, "sites": ["icm"]}
    (folder / "manifest.json").write_text(json.dumps(told))
    return publish(folder, client.app.state.desk.store)  # type: ignore[attr-defined]


def test_package_is_listed_and_its_files_are_had(client: TestClient, package_id: str) -> None:
    sponsor = Sponsor(client, KEY)
    (listed,) = sponsor.get("/datasets/packages").json()["packages"]
    files = {file["path"]: sponsor.get(file["url"].removeprefix(HOME)) for file in listed["files"]}

    assert (listed["id"], set(files)) == (package_id, {"sdtm/dm.xpt", "manifest.json"})
    assert all(hashlib.sha256(files[one["path"]].content).hexdigest() == one["sha256"] for one in listed["files"])
    assert sponsor.get(f"/datasets/packages/{package_id}").json() == listed
    assert hashlib.sha256(sponsor.get(listed["manifest"].removeprefix(HOME)).content).hexdigest() == package_id


def test_file_of_a_package_may_be_kept_for_ever_and_asked_for_in_parts(client: TestClient, package_id: str) -> None:
    sponsor = Sponsor(client, KEY)
    path = f"/datasets/packages/{package_id}/sdtm/dm.xpt"
    whole = sponsor.get(path)
    part = sponsor.get(path, headers={"Range": "bytes=256-511", "If-Range": whole.headers["etag"]})

    assert whole.headers["cache-control"] == "private, max-age=31536000, immutable"
    assert whole.headers["etag"] == f'"{hashlib.sha256(CONTENT).hexdigest()}"'
    assert (part.status_code, part.content) == (206, CONTENT[256:512])
    assert sponsor.get(path, headers={"If-None-Match": whole.headers["etag"]}).status_code == 304
    # RFC 9110 14.2: only a GET asks for a part.
    headed = sponsor.call("HEAD", path, headers={"Range": "bytes=256-511"})
    assert (headed.status_code, headed.headers["content-length"]) == (200, str(len(CONTENT)))


@pytest.mark.parametrize("path", ["", "/{id}", "/{id}/sdtm/dm.xpt", "/{id}/manifest.json"])
def test_package_is_for_clients_that_may_have_it(client: TestClient, package_id: str, path: str) -> None:
    address = "/datasets/packages" + path.format(id=package_id)
    statuses = [Sponsor(client, KEY, name).get(address).status_code for name in ("sponsor", "feeds", "limited")]

    assert statuses == [200, 403, 404 if path else 200]
    assert client.get(address).status_code == 401


def test_client_of_another_site_is_shown_no_package(client: TestClient, package_id: str) -> None:
    assert Sponsor(client, KEY, "limited").get("/datasets/packages").json() == {"packages": []}


@pytest.mark.parametrize("path", ["sdtm/ae.xpt", ".index.json", "sdtm", "%2e%2e/%2e%2e/state.sqlite", "/etc/hosts"])
def test_only_the_files_of_the_package_are_had(client: TestClient, package_id: str, path: str) -> None:
    answer = Sponsor(client, KEY).get(f"/datasets/packages/{package_id}/{path}")

    assert answer.status_code == 404


def test_package_cannot_be_changed(client: TestClient, package_id: str) -> None:
    sponsor = Sponsor(client, KEY)

    for method in ("PUT", "POST", "DELETE", "PATCH"):
        assert sponsor.call(method, f"/datasets/packages/{package_id}/manifest.json").status_code == 405
