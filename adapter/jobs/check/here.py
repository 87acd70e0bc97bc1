"""In: settings file, store folder. Out: findings about this machine: who may read what is secret, until when certificates hold,
and whether the disk is encrypted.

A file's mode and what the kernel says of the disk below it; nothing is changed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from adapter.client.certificates import SHORT_DAYS, days_left, end_of_authorities, end_of_chain
from adapter.config import BasicSettings, BearerSettings, MutualTlsSettings, SiteSettings
from adapter.jobs.check.findings import Finding, Group, Status

__all__ = ["check_here", "is_encrypted"]

_OTHERS = 0o077
_MOUNTS = Path("/proc/self/mountinfo")
_DEVICES = Path("/sys/dev/block")
#: File systems that encrypt what they hold; what others stand on has to be looked at.
_ENCRYPTING = frozenset({"ecryptfs", "fuse.gocryptfs", "fuse.encfs"})
#: device-mapper's name for volumes of dm-crypt (LUKS and plain).
_CRYPT = "CRYPT-"
_DEEPEST = 8


def check_here(site: SiteSettings, *, settings_file: Path | None, store: Path, now: datetime) -> Iterator[Finding]:
    """What can be told of this machine.

    Args:
        site: the settings of the site.
        settings_file: the file that they stand in, None where they come from the environment alone.
        store: the store's folder, which may not be there yet.
        now: aware time, for the days that certificates have left.
    """
    # Of a settings file without a secret in it nothing is lost; whether one stands in it or in a file of its own is not told.
    secret = isinstance(site.auth, BasicSettings | BearerSettings) or site.notifications is not None
    if settings_file is not None and settings_file.is_file():
        if settings_file.stat().st_mode & _OTHERS:
            status = Status.ASK if secret else Status.NOTE
            yield Finding(Group.HERE, "settings-open", status, {"file": settings_file.name})
        else:
            yield Finding(Group.HERE, "settings-private", Status.OK, {"file": settings_file.name})
    if site.identifier_system is None:
        yield Finding(Group.HERE, "identifier-system-missing", Status.NOTE)
    if not store.is_dir():
        yield Finding(Group.HERE, "store-missing", Status.NOTE)
    elif store.stat().st_mode & _OTHERS:
        yield Finding(Group.HERE, "store-open", Status.ASK)
    else:
        yield Finding(Group.HERE, "store-private", Status.OK)
    yield from _certificates(site, now)
    yield _volume(next(place for place in (store, *store.parents) if place.is_dir()))


def _certificates(site: SiteSettings, now: datetime) -> Iterator[Finding]:
    """Those that lie here; that of the server is told by itself."""
    if isinstance(site.auth, MutualTlsSettings) and (end := end_of_chain(site.auth.certificate_file)) is not None:
        codes = ("own-certificate-holds", "own-certificate-ends", "own-certificate-ended")
        yield _certificate(codes, end, now)
    if site.ca_file is not None and (end := end_of_authorities(site.ca_file)) is not None:
        yield _certificate(("authorities-holds", "authorities-ends", "authorities-ended"), end, now)


def _certificate(codes: tuple[str, str, str], end: datetime, now: datetime) -> Finding:
    holds, ends, ended = codes
    days = days_left(end, now=now)
    values: dict[str, str | int] = {"until": str(end.date()), "days": days}
    if days >= SHORT_DAYS:
        return Finding(Group.HERE, holds, Status.OK, values)
    return Finding(Group.HERE, ends if days >= 0 else ended, Status.ASK, values)


def _volume(folder: Path) -> Finding:
    match is_encrypted(folder):
        case True:
            return Finding(Group.HERE, "volume-encrypted", Status.OK)
        case False:
            return Finding(Group.HERE, "volume-plain", Status.NOTE)
        case None:
            return Finding(Group.HERE, "volume-unknown", Status.NOTE)


def is_encrypted(folder: Path, *, mounts: Path = _MOUNTS, devices: Path = _DEVICES) -> bool | None:
    """Whether a folder lies on an encrypted volume, as far as the kernel tells (Linux); None where it does not.

    Args:
        folder: an existing one.
        mounts: the kernel's list of mounts (proc_pid_mountinfo(5)).
        devices: where it lists block devices by number.
    """
    found = _mount_of(folder, mounts)
    if found is None:
        return None
    number, kind = found
    if kind in _ENCRYPTING:
        return True
    device = devices / number
    # btrfs, zfs, overlays and network shares have no device of their own: what they stand on cannot be seen from here.
    return _is_crypt(device) if device.exists() else None


def _mount_of(folder: Path, mounts: Path) -> tuple[str, str] | None:
    """Device number and kind of the file system that holds a folder: the deepest mount point above it, the last of several."""
    try:
        lines = mounts.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return None
    place = os.path.realpath(folder)
    best: tuple[int, str, str] | None = None
    for line in lines:
        left, _, right = line.partition(" - ")
        fields, kind = left.split(), right.split(" ")[0]
        if len(fields) < 5:
            continue
        point = fields[4].replace("\\040", " ")
        inside = place == point or place.startswith(f"{point.rstrip('/')}/")
        if inside and (best is None or len(point) >= best[0]):
            best = (len(point), fields[2], kind)
    return None if best is None else best[1:]


def _is_crypt(device: Path, depth: int = 0) -> bool:
    """The device, or any that it stands on (LVM on LUKS), is dm-crypt's."""
    # A partition's own folder lies in that of its disk, which alone knows what it stands on.
    for place in (device, device.resolve().parent):
        try:
            if (place / "dm" / "uuid").read_text(encoding="ascii", errors="replace").startswith(_CRYPT):
                return True
        except OSError:
            pass
        slaves = place / "slaves"
        if depth < _DEEPEST and slaves.is_dir() and any(_is_crypt(slave, depth + 1) for slave in slaves.iterdir()):
            return True
    return False
