"""In: settings and the store. Out: what runs by itself or spans rooms: the sync cycle, its schedule, how the feeds stand."""

from __future__ import annotations

from adapter.jobs.catch_up import CatchUp, start_catch_up
from adapter.jobs.certificates import Certificate, CertificateKind, certificates_of
from adapter.jobs.cycle import Steps, cycle_exit_code, run_cycle
from adapter.jobs.failing import failure_noted
from adapter.jobs.feeds import FeedState, feed_states, feed_types, needed_types
from adapter.jobs.parts import Kind, Outcome, Part, run_part, skipped
from adapter.jobs.pulling import configured_site, pull_site
from adapter.jobs.purging import PurgeCounts, look_for_wanted, purge_site, signs_at
from adapter.jobs.reporting import LoggedTypes
from adapter.jobs.rounds import Rounds
from adapter.jobs.schedule import Next, next_try, parse_every
from adapter.jobs.screening import ScreenSummary, noted_screening, screen_site
from adapter.jobs.site_names import SiteLeft, sites_left
from adapter.jobs.stopping import Stopped, stop_if_asked, stop_signals
from adapter.jobs.thinning import thin_site

__all__ = [
    "CatchUp",
    "Certificate",
    "CertificateKind",
    "FeedState",
    "Kind",
    "LoggedTypes",
    "Next",
    "Outcome",
    "Part",
    "PurgeCounts",
    "Rounds",
    "ScreenSummary",
    "SiteLeft",
    "Steps",
    "Stopped",
    "certificates_of",
    "configured_site",
    "cycle_exit_code",
    "failure_noted",
    "feed_states",
    "feed_types",
    "look_for_wanted",
    "needed_types",
    "next_try",
    "noted_screening",
    "parse_every",
    "pull_site",
    "purge_site",
    "run_cycle",
    "run_part",
    "screen_site",
    "signs_at",
    "sites_left",
    "skipped",
    "start_catch_up",
    "stop_if_asked",
    "stop_signals",
    "thin_site",
]
