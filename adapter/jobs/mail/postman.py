"""In: settings, moments at which nothing else is done. Out: digests sent when they are due, between the cycles of `reluth sync --every`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Final

from adapter.config import Settings
from adapter.errors import ReluthError
from adapter.jobs.mail.plan import check_mail, due_digests
from adapter.jobs.mail.sending import DigestSummary, Mailing, MailSummary
from adapter.observe import logger
from adapter.store import Store

__all__ = ["Postman"]

_FIRST_RETRY: Final = timedelta(minutes=5)
_LONGEST_RETRY: Final = timedelta(hours=1)


class Postman:
    """Is called now and then; opens the store only where a digest has become due, and again after a while where one failed.

    Args:
        settings: all of them; without ``[[mail.digests]]`` it does nothing.
        clock: aware time.

    Raises:
        ConfigurationError: ``[mail]`` is wrong.
    """

    def __init__(self, settings: Settings, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._settings = settings
        self._clock = clock
        self._mail = check_mail(settings) if settings.mail is not None and settings.mail.digests else None
        #: Digests by site, language and slot: the day for which each is done.
        self._done: dict[tuple[str, str, str], date] = {}
        self._failures = 0
        self._not_before: datetime | None = None

    def __call__(self) -> MailSummary | None:
        """Send what is due; None where nothing is. It never raises but for a signal to end: the next cycle comes first."""
        now = self._clock()
        if self._mail is None or self._is_too_early(now):
            return None
        due = due_digests(self._mail, now=now)
        if all(self._done.get((one.site, one.settings.language, one.slot)) == one.day for one in due):
            return None
        try:
            with Store.open(self._settings.store.path, self._settings.store.database) as store:
                summary = Mailing(store, self._settings, clock=self._clock).send()
        except ReluthError as error:
            logger("jobs").error("no digests", problem=str(error))
            self._wait(now)
            return None
        except Exception as error:  # noqa: BLE001 - a defect here must not end the cycles, and its text must not get out
            logger("jobs").error("no digests", defect=type(error).__name__)
            self._wait(now)
            return None
        if summary.exit_code in (0, 5):
            self._failures, self._not_before = 0, None
        else:
            self._wait(now)
        done = {_key(one): date.fromisoformat(one.day) for one in summary.digests}
        for one in summary.digests:
            # Refused for good is done as well: a person has to see to the address.
            if one.later or one.problem is not None:
                done.pop(_key(one), None)
        self._done |= done
        return summary

    def _is_too_early(self, now: datetime) -> bool:
        """What failed is to be left for a while; for no longer than ever, where a clock that was ahead was set back."""
        return self._not_before is not None and timedelta(0) < self._not_before - now <= _LONGEST_RETRY

    def _wait(self, now: datetime) -> None:
        wait = min(_FIRST_RETRY * 2 ** min(self._failures, 8), _LONGEST_RETRY)
        self._failures += 1
        self._not_before = now + wait


def _key(one: DigestSummary) -> tuple[str, str, str]:
    return one.site, one.language, one.slot
