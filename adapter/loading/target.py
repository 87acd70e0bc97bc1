"""In: settings, the site and the trial that were asked for. Out: whose the entities of a file are, and what is taken where it says nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import quote

from adapter.config import Settings, SiteSettings
from adapter.documents import load_study, load_trial
from adapter.errors import UsageError
from adapter.store import Store
from mappings.entities import Study

__all__ = ["Rules", "Target", "target_of"]

_LOCAL = "local"
_LONGEST_SITE = 64


@dataclass(frozen=True, slots=True)
class Target:
    """Whose the entities are.

    Attributes:
        site: as the settings name it.
        trial: the trial of subjects.
        identifier_system: of the hospital's own patient numbers, where the settings tell it.
        site_code: the sponsor's number of the site, where the settings tell it.
    """

    site: str
    trial: str
    identifier_system: str | None = None
    site_code: str | None = None

    def own_system(self, what: str) -> str:
        """URI of identifiers that a file gives without one: those of two sites never meet.

        >>> Target("icm", "nct04954820").own_system("result")
        'urn:reluth:site:icm:result'
        """
        return f"urn:reluth:site:{quote(self.site, safe='')}:{what}"


def target_of(settings: Settings, store: Store, *, site: str | None = None, trial: str | None = None) -> Target:
    """The site and the trial that are meant.

    Args:
        settings: sites, trials.
        store: whose sites are known as well.
        site: None for the only one there is; ``local`` where there is none at all, as for `reluth pull --from`.
        trial: None for the first of the settings.

    Raises:
        UsageError: several sites could be meant, or the one that was asked for is not known.
    """
    known = sorted({*settings.sites, *store.lake.sites()})
    if site is None and len(known) > 1:
        raise UsageError(f"--site S: whose is it? There is {', '.join(known)}")
    if site is not None and known and site not in known:
        raise UsageError(f"--site {site}: not known; there is {', '.join(known)}")
    name = site or (known[0] if known else _LOCAL)
    if len(name) > _LONGEST_SITE:
        raise UsageError(f"--site: a name of at most {_LONGEST_SITE} characters is wanted")
    told = settings.sites.get(name, SiteSettings())
    return Target(name, trial or settings.trials[0], told.identifier_system, told.site_code)


class Rules:
    """What entities are checked with, read when it is needed first.

    Args:
        target: whose they are.
        store: where a loaded study is.
    """

    def __init__(self, target: Target, store: Store) -> None:
        self.target = target
        self._store = store

    @cached_property
    def spellings(self) -> Mapping[str, str]:
        """Spellings of units, each with its UCUM code."""
        return load_trial(self.target.trial).units.spellings

    @cached_property
    def arms(self) -> Mapping[str, bool] | None:
        """Whether something is given, by arm; of the study as it was loaded, else as it is shipped; None without either."""
        study = self._study()
        return None if study is None else {arm.name: arm.kind.is_intervention for arm in study.arms}

    def _study(self) -> Study | None:
        stored = self._store.entities.get(self.target.site, "study", self.target.trial)
        if stored is not None and isinstance(stored.entity, Study):
            return stored.entity
        try:
            return load_study(self.target.trial)
        except UsageError:
            return None
