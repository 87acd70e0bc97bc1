"""Promises of the settings: which source wins, and an error names the key as written."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapter.config import BasicSettings, BearerSettings, NoAuthSettings, Settings, SmartBackendSettings, load_settings
from adapter.errors import ConfigurationError

WHOLE = """
trials = ["nct04954820"]
[store]
path = "data"
[retention]
non_candidates_days = 10
[service]
port = 8123
hosts = ["worklist.example.org"]
[sites.icm]
base_url = "https://fhir.example.org/r4/"
hosts = ["files.example.org"]
fhir_version = "5.0.0"
mode = "bulk"
group = "g1"
types = ["Patient", "Observation"]
identifier_system = "urn:oid:1.2.3"
site_code = "05"
auth = { type = "smart-backend", client_id = "c", private_key_file = "keys/k.pem", scopes = ["system/*.rs"] }
overlay = "sites/icm"
"""


def _write(folder: Path, content: str) -> Path:
    path = folder / "adapter.toml"
    path.write_text(content, encoding="utf-8")
    return path


def test_settings_have_defaults_where_there_is_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = load_settings(None)

    assert settings.trials == ["nct04954820"]
    assert settings.store.path == tmp_path / "var"
    assert settings.sites == {}
    assert settings.service.host == "127.0.0.1"
    assert Settings().retention.non_candidates_days == 30


def test_settings_are_what_the_file_says_with_paths_beside_it(tmp_path: Path) -> None:
    settings = load_settings(_write(tmp_path, WHOLE))

    site = settings.sites["icm"]
    assert settings.store.path == tmp_path / "data"
    assert (settings.retention.non_candidates_days, settings.service.port) == (10, 8123)
    assert (site.base_url, site.types) == ("https://fhir.example.org/r4", ["Patient", "Observation"])
    assert site.overlay == tmp_path / "sites" / "icm"
    assert isinstance(site.auth, SmartBackendSettings)
    assert site.auth.private_key_file == tmp_path / "keys" / "k.pem"


def test_default_file_is_read_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    _write(tmp_path, '[store]\npath = "here"')

    assert load_settings().store.path == tmp_path / "here"


def test_argument_wins_over_environment_over_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _write(tmp_path, WHOLE)
    monkeypatch.setenv("RELUTH_STORE__PATH", "fromenv")
    monkeypatch.setenv("RELUTH_SITES__ICM__BASE_URL", "http://127.0.0.1:8080/fhir")
    monkeypatch.setenv("RELUTH_TRIALS", '["other"]')

    settings = load_settings(path)
    assert settings.store.path == tmp_path / "fromenv"
    assert settings.sites["icm"].base_url == "http://127.0.0.1:8080/fhir"
    assert settings.sites["icm"].group == "g1"
    assert settings.trials == ["other"]
    assert load_settings(path, store=tmp_path / "fromarg").store.path == tmp_path / "fromarg"


BEARER = '[sites.icm]\nauth = { type = "bearer", token = "plain", token_file = "token.txt" }'


def test_secret_file_wins_over_the_settings_file_and_loses_to_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _write(tmp_path, BEARER)
    (tmp_path / "token.txt").write_text("from-file\n")
    auth = load_settings(path).sites["icm"].auth
    assert isinstance(auth, BearerSettings)
    assert auth.token.get_secret_value() == "from-file"

    monkeypatch.setenv("RELUTH_SITES__ICM__AUTH__TOKEN", "from-environment")
    auth = load_settings(path).sites["icm"].auth
    assert isinstance(auth, BearerSettings)
    assert auth.token.get_secret_value() == "from-environment"


def test_secrets_do_not_show(tmp_path: Path) -> None:
    content = """
        [store]
        database = "postgresql://u:s3cret@h/d"
        [sites.a.auth]
        type = "basic"
        username = "u"
        password = "s3cret"
    """
    settings = load_settings(_write(tmp_path, content))

    assert isinstance(settings.sites["a"].auth, BasicSettings)
    assert "s3cret" not in repr(settings)


def test_site_needs_no_authentication_by_default(tmp_path: Path) -> None:
    assert load_settings(_write(tmp_path, "[sites.icm]")).sites["icm"].auth == NoAuthSettings()


@pytest.mark.parametrize(
    ("content", "key", "problem"),
    [
        ('[store]\npth = "x"', "store.pth", "no such setting"),
        ("colour = 1", "colour", "no such setting"),
        ('[sites.icm]\nbase_ulr = "x"', "sites.icm.base_ulr", "no such setting"),
        ('[sites.icm]\nbase_url = "ftp://x"', "sites.icm.base_url", "URL scheme"),
        ('[sites.icm]\nbase_url = "https://x/r4?a=b"', "sites.icm.base_url", "has no query"),
        ('[sites.icm]\nfhir_version = "3.0.2"', "sites.icm.fhir_version", "4.0.1"),
        ('[sites.icm]\nauth = { type = "magic" }', "sites.icm.auth", "magic"),
        ('[sites.icm]\nauth = { type = "basic", username = "u" }', "sites.icm.auth.password", "required"),
        ('[sites.icm]\nauth = { type = "none", token = "t" }', "sites.icm.auth.token", "no such setting"),
        ("[service]\nport = 99999", "service.port", "65535"),
        ("trials = []", "trials", "at least 1"),
        ('sites = "icm"', "sites", "dictionary"),
        ('[sites]\nicm = "x"', "sites.icm", "dictionary"),
        ('store = "x"', "store", "dictionary"),
        ("a = ", "adapter.toml", "is not TOML"),
        (BEARER, "token_file", "cannot be read"),
    ],
)
def test_wrong_setting_is_named(tmp_path: Path, content: str, key: str, problem: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        load_settings(_write(tmp_path, content))

    assert raised.value.setting == key
    assert problem in raised.value.problem


def test_error_does_not_repeat_a_secret(tmp_path: Path) -> None:
    content = '[sites.icm.auth]\ntype = "bearer"\ntoken = ["s3cret"]'
    with pytest.raises(ConfigurationError) as raised:
        load_settings(_write(tmp_path, content))

    assert raised.value.setting == "sites.icm.auth.token"
    assert "s3cret" not in str(raised.value)
    assert raised.value.__cause__ is None


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [("RELUTH_STROE__PATH", "x", "no such setting"), ("RELUTH_TRIALS", "no json", "written as JSON")],
)
def test_wrong_environment_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, problem: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=problem):
        load_settings(_write(tmp_path, ""))


def test_named_file_that_is_missing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"^other\.toml: cannot be read"):
        load_settings(tmp_path / "other.toml")
