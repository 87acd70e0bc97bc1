"""In: a settings file, or none, and a site to add. Out: the file with it, all that was there kept, and proof that it loads."""

from __future__ import annotations

import json
import os
import tempfile
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapter.errors import ConfigurationError, StorageError

if TYPE_CHECKING:
    from adapter.config import Settings

__all__ = ["add_site", "section_of"]

_HEAD = """\
# Settings of the ReLUTH FHIR adapter. Every key is in the operations guide; any may also stand in the environment,
# e.g. RELUTH_SITES__ICM__BASE_URL.

[store]
path = "var"
"""


def section_of(site_id: str, settings: Mapping[str, Any]) -> str:
    """A site's section as TOML.

    Args:
        site_id: letters, digits, ``-`` and ``_``.
        settings: texts, lists of texts, and one level of tables of these, written inline.

    >>> print(section_of("icm", {"base_url": "https://fhir.example.org/r4", "auth": {"type": "none"}}), end="")
    [sites.icm]
    base_url = "https://fhir.example.org/r4"
    auth = { type = "none" }
    """
    lines = [f"[sites.{site_id}]", *(f"{key} = {_value(value)}" for key, value in settings.items())]
    return "\n".join(lines) + "\n"


def add_site(file: Path, section: str, *, check: Callable[[Settings], None]) -> None:
    """Add a section at the end of a settings file, which is made where there is none; 0600, in one step.

    Args:
        file: the settings file.
        section: of `section_of`.
        check: is given the settings with it, before anything is changed; what it raises goes through.

    Raises:
        ConfigurationError: the settings with it cannot be loaded.
        StorageError: it cannot be written.
    """
    from adapter.config import load_settings

    # A link stays a link: what it leads to is written.
    file = file.resolve()
    new: Path | None = None
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        before = file.read_bytes() if file.exists() else None
        after = _with(before, section)
        _check_is_toml(file, after)
        descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
        new = Path(name)
        with os.fdopen(descriptor, "wb") as opened:
            opened.write(after)
            opened.flush()
            os.fsync(opened.fileno())
        if before is not None:
            _keep_owner(new, file)
        check(load_settings(new))
        new.replace(file)
    except OSError as error:
        raise StorageError(file.name, error.strerror or type(error).__name__) from None
    finally:
        if new is not None:
            new.unlink(missing_ok=True)


def _with(before: bytes | None, section: str) -> bytes:
    text = before if before is not None else _HEAD.encode()
    end = "\r\n" if b"\r\n" in text else "\n"
    apart = end if not text or text.endswith(b"\n") else end * 2
    return text + apart.encode() + section.replace("\n", end).encode()


def _check_is_toml(file: Path, content: bytes) -> None:
    try:
        tomllib.loads(content.decode("utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        raise ConfigurationError(
            file.name, "a site cannot be added at its end (it is no TOML, or has `sites` as an inline table)"
        ) from None


def _keep_owner(new: Path, old: Path) -> None:
    """Whoever the file belonged to keeps it: an administrator's `init` must not lock the service's account out."""
    was, is_now = old.stat(), new.stat()
    if (was.st_uid, was.st_gid) != (is_now.st_uid, is_now.st_gid):
        os.chown(new, was.st_uid, was.st_gid)


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {_value(one)}" for key, one in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_value, value)) + "]"
    # A TOML basic string is escaped as one of JSON is; only DEL may not stand in it as it is.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
