"""In: a hospital's server or a folder of files, and the store. Out: the store in step with it, and a summary."""

from __future__ import annotations

from adapter.sync.bulk_source import BulkOptions, BulkSource
from adapter.sync.combined_source import CombinedSource
from adapter.sync.folder_source import FolderSource
from adapter.sync.pull import pull
from adapter.sync.purged_numbers import number_digests
from adapter.sync.push import Preview, Pusher, PushProgress
from adapter.sync.push_summary import PushSummary, SetAside, TypeWrites
from adapter.sync.search_source import SearchSource
from adapter.sync.settling import settle_conflict
from adapter.sync.sources import Gone, Item, Missing, Problem, Progress, Source
from adapter.sync.summary import PullSummary, PutAside, TypeSummary

__all__ = [
    "BulkOptions",
    "BulkSource",
    "CombinedSource",
    "FolderSource",
    "Gone",
    "Item",
    "Missing",
    "Preview",
    "Problem",
    "Progress",
    "PullSummary",
    "PushProgress",
    "PushSummary",
    "Pusher",
    "PutAside",
    "SearchSource",
    "SetAside",
    "Source",
    "TypeSummary",
    "TypeWrites",
    "number_digests",
    "pull",
    "settle_conflict",
]
