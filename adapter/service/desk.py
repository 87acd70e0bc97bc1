"""In: the store, the trial's document, who asks. Out: what pages and API of that person are made of.

What is read of the store for a person is read through their desk: it tells which sites are there for them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from adapter.accounts import Permission, Viewer
from adapter.config import Settings
from adapter.criteria import Stage, Trial
from adapter.documents import load_site, load_trial
from adapter.errors import DocumentError
from adapter.observe import logger
from adapter.screening import number_of
from adapter.screening.unread import unmapped_of
from adapter.service.settling.redaction import redacted_unsettled
from adapter.service.settling.settlement import Keep, Settlement, SettlementKind, settle
from adapter.service.settling.unsettled import OpenProposal, Unsettled, read_proposals, read_unsettled
from adapter.store import Conflict, Store
from adapter.terminology.unmapped import Unmapped

__all__ = ["Desk", "open_desk"]

_NOBODY = Viewer(actor="nobody", name="nobody")


class Desk:
    """The store as one person sees it.

    Args:
        store: open.
        trial: the trial that this service is about.
        settings: sites, and their folders of documents; one that is missing has told us nothing.
        viewer: who asks; nobody sees nothing.
    """

    def __init__(self, store: Store, trial: Trial, settings: Settings, *, viewer: Viewer = _NOBODY) -> None:
        self.store = store
        self.trial = trial
        self.settings = settings
        self.viewer = viewer
        self._unmapped: dict[str, tuple[object, Unmapped]] = {}

    def seen_by(self, viewer: Viewer) -> Self:
        """The same desk for somebody; what it has read of documents is shared."""
        desk = type(self)(self.store, self.trial, self.settings, viewer=viewer)
        desk._unmapped = self._unmapped
        return desk

    # Sites --------------------------------------------------------------------------------------------------------

    def sites(self) -> list[str]:
        """All sites, of the settings and of the store, whoever asks."""
        return sorted({*self.settings.sites, *self.store.lake.sites()})

    def sites_with(self, permission: Permission) -> list[str]:
        """The sites at which this person is granted something."""
        return self.viewer.sites_with(permission, self.sites())

    def may(self, permission: Permission, site: str) -> bool:
        """Whether this person is granted something at a site."""
        return self.viewer.may(permission, site)

    def overlay(self, site: str) -> Path | None:
        """Folder of a site's documents."""
        told = self.settings.sites.get(site)
        return None if told is None else told.overlay

    def shows_identity(self, site: str) -> bool:
        """Whether this person may see who a patient is at the hospital; others see the screening number."""
        return self.may(Permission.IDENTITY, site)

    def audit(self, action: str, *, subject: str, detail: str = "") -> None:
        """Note in the audit trail what this person saw or changed; ids only."""
        self.store.audit(self.viewer.actor, action, subject=subject, detail=detail)

    # Worklist -----------------------------------------------------------------------------------------------------

    def proposed(self, stage: Stage, *, site: str | None = None) -> frozenset[str]:
        """Random keys of the patients whose newest screening disagrees with a person's decision."""
        found = read_proposals(self.store, self.trial, stage, site=site)
        return frozenset(one.key for one in found if self.may(Permission.WORKLIST, one.site))

    # What waits for a person --------------------------------------------------------------------------------------

    def unsettled(self, *, site: str | None = None) -> Unsettled:
        """What waits for a person: conflicts, entries held or refused, proposals; nothing at a site that there is not."""
        if site is not None and site not in {*self.sites(), *self.store.outbox.sites()}:
            return Unsettled(conflicts=[], waiting=[], proposals=[])
        found = read_unsettled(self.store, self.trial, site=site)
        found = found.where(lambda name: self.may(Permission.CONFLICTS, name))
        return redacted_unsettled(found, knows=self.shows_identity, number=self._number_of)

    def _number_of(self, one: OpenProposal) -> str:
        return number_of(self.store, self.trial, one.stage, site=one.site, patient=one.patient)

    def conflict(self, number: int) -> Conflict | None:
        """A conflict, open or settled."""
        return next(
            (
                one
                for one in self.store.outbox.conflicts(closed=True)
                if one.number == number and self.may(Permission.CONFLICTS, one.site)
            ),
            None,
        )

    def settle(self, number: int, *, keep: Keep, seen: str | None) -> Settlement:
        """Settle a conflict of a site at which this person may; see `settling.settle`."""
        conflict = self.conflict(number)
        if conflict is None or not self.may(Permission.SETTLE, conflict.site):
            return Settlement(SettlementKind.UNKNOWN, problem=f"conflict {number}: there is none by this number")
        return settle(self.store, number, keep=keep, by=self.viewer.actor, seen=seen)

    # What cannot be read ------------------------------------------------------------------------------------------

    def unread(self, site: str) -> Unmapped | None:
        """What cannot be read, looked for once for each state of the lake: that reads the bytes of what is in doubt.

        None where the site's documents are wrong: pull and screen refuse them too, and say so; the page goes on.
        """
        lake = self.store.lake
        state = (tuple(lake.index_files(site)), tuple(lake.tombstones(site)))
        kept = self._unmapped.get(site)
        if kept is None or kept[0] != state:
            try:
                told = load_site(site, self.overlay(site))
            except DocumentError as error:
                logger("service").warning("overlay", site=site, problem=str(error))
                return None
            kept = (state, unmapped_of(self.store, self.trial, told))
            self._unmapped[site] = kept
        return kept[1]


@contextmanager
def open_desk(settings: Settings) -> Iterator[Desk]:
    """The desk over the store of the settings, for their first trial; nobody's as yet.

    Raises:
        ConfigurationError: the store cannot be opened.
        DocumentError: the trial's document is wrong.
    """
    trial = load_trial(settings.trials[0])
    with Store.open(settings.store.path, settings.store.database) as store:
        yield Desk(store, trial, settings)
