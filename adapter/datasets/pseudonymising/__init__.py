"""In: a subject's resources as a hospital keeps them. Out: what of them may leave the site, under names that lead back only there."""

from __future__ import annotations

from adapter.datasets.pseudonymising.documents import Profile, load_profile
from adapter.datasets.pseudonymising.pseudonymiser import Pseudonymised, Pseudonymiser, TraceEntry
from adapter.datasets.pseudonymising.work import Notes, Work, identifying

__all__ = ["Notes", "Profile", "Pseudonymised", "Pseudonymiser", "TraceEntry", "Work", "identifying", "load_profile"]
