"""In: the store's folder. Out: the secret that its pseudonyms are made with: 32 random bytes in a file that only its owner may read.

Whoever has it can lead a package's names back to the hospital's records, and without it no later export is like an earlier one:
it is kept at the site, in its backups, and in no package.
"""

from __future__ import annotations

import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path

from adapter.errors import ConfigurationError
from adapter.store.segments import sync_folder
from adapter.store.state import private_file, private_folder

__all__ = ["pseudonym_key"]

_BYTES = 32
_NAME = "keys/pseudonyms.key"


def pseudonym_key(folder: Path) -> bytes:
    """The key of a store, made on first use.

    Args:
        folder: the store's.

    Raises:
        ConfigurationError: the file can be read by others, is no plain file, has another length, or cannot be used.
    """
    path = folder / _NAME
    try:
        if not path.exists():
            _make(path)
        with path.open("rb") as file:
            found = os.fstat(file.fileno())
            content = file.read(_BYTES + 1)
    except OSError as error:
        raise ConfigurationError(_NAME, f"cannot be used ({error.strerror})") from None
    if not stat.S_ISREG(found.st_mode) or found.st_mode & 0o077:
        raise ConfigurationError(_NAME, "may be read by others: it needs mode 0600 (chmod 600)")
    if len(content) != _BYTES:
        raise ConfigurationError(
            _NAME, f"has not {_BYTES} bytes: put it back from a backup, no other fits older packages"
        )
    return content


def _make(path: Path) -> None:
    private_folder(path.parent)
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp")
    with open(temporary, "xb", opener=private_file) as out:
        out.write(secrets.token_bytes(_BYTES))
        out.flush()
        os.fsync(out.fileno())
    try:
        # Of two who make it at once, both go on with the one that was there first.
        with suppress(FileExistsError):
            path.hardlink_to(temporary)
    finally:
        temporary.unlink()
    sync_folder(path.parent)
