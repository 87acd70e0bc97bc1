"""In: a hospital's server or a folder of files, and the store. Out: the store in step with it, and a summary."""

from __future__ import annotations

from adapter.sync.folder_source import FolderSource
from adapter.sync.http_source import HttpSource, SearchClient
from adapter.sync.pull import pull
from adapter.sync.push import Preview, Pusher, PushProgress
from adapter.sync.push_summary import PushSummary, SetAside, TypeWrites
from adapter.sync.settling import settle_conflict
from adapter.sync.sources import Item, Missing, Problem, Progress, Source
from adapter.sync.summary import PullSummary, PutAside, TypeSummary

__all__ = [
    "FolderSource",
    "HttpSource",
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
    "SearchClient",
    "SetAside",
    "Source",
    "TypeSummary",
    "TypeWrites",
    "pull",
    "settle_conflict",
]
