"""Promises of sending: each reader once a day, told what is new to them; one who is refused stops nobody; audited, nobody's address told."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from adapter.config import Settings
from adapter.errors import ConfigurationError
from adapter.jobs.mail import Mailing, MailSummary
from adapter.store import Store
from adapter.store.digests import STALE_CLAIM
from tests.support.mail_server import MailServer, mail_server, whole_text
from tests.support.mailing import DUE, digest_of, mail_settings
from tests.support.screened import SITE, TRIAL, save, verdict
from tests.unit.jobs.events import logged

ANNA, BEN, CAT = "anna@example.org", "ben@example.org", "cat@example.org"
DAY = timedelta(days=1)


def send(store: Store, settings: Settings, at: datetime = DUE, **more: Any) -> MailSummary:
    return Mailing(store, settings, clock=lambda: at, **more).send()


def counts(summary: MailSummary) -> list[dict[str, int]]:
    names = ("sent", "empty", "already", "refused", "later")
    return [{name: number for name in names if (number := getattr(one, name))} for one in summary.digests]


def english(tmp_path: Path, server: MailServer, *to: str, **more: Any) -> Settings:
    return mail_settings(tmp_path, digest_of(*to, language="en", **more), port=server.port)


def candidate(identity: str) -> Any:
    return verdict(identity, "ready-for-investigator")


def test_digest_is_sent_to_each_reader_in_a_message_of_their_own(screened: Store, tmp_path: Path) -> None:
    with mail_server() as server:
        summary = send(screened, english(tmp_path, server, ANNA, BEN))

    assert (counts(summary), summary.exit_code) == ([{"sent": 2}], 0)
    assert server.recipients == [ANNA, BEN]
    assert BEN not in whole_text(server.taken[0][1])


def test_digest_is_sent_once_a_day_and_again_on_the_next(screened: Store, tmp_path: Path) -> None:
    with mail_server() as server:
        settings = english(tmp_path, server, ANNA, when_empty=True)
        found = [send(screened, settings, DUE + late) for late in (timedelta(0), timedelta(hours=9), DAY)]

    assert [counts(one) for one in found] == [[{"sent": 1}], [{"already": 1}], [{"sent": 1}]]


def test_digest_that_is_not_due_is_not_sent_unless_a_person_wants_it(screened: Store, tmp_path: Path) -> None:
    with mail_server() as server:
        settings = english(tmp_path, server, ANNA)
        early = DUE - timedelta(hours=1)
        assert send(screened, settings, early).digests == ()
        asked = send(screened, settings, early, regardless=True)
        later = send(screened, settings)

    assert [counts(asked), counts(later)] == [[{"sent": 1}], [{"sent": 1}]]


def test_digest_tells_each_reader_what_is_new_to_them(screened: Store, tmp_path: Path) -> None:
    with mail_server() as server:
        send(screened, english(tmp_path, server, ANNA))
        save(screened, candidate("later-found"), candidate("later-still"))
        send(screened, english(tmp_path, server, ANNA, BEN), DUE + DAY)

    texts = [whole_text(raw) for _, raw in server.taken]
    # Seven were screened; three of these fail for good or are decided.
    assert "Candidates found so far: 4" in texts[0]
    assert "Candidates found since the last message: 2" in texts[1]
    assert "Candidates found so far: 6" in texts[2]


def test_person_who_was_screened_before_and_becomes_a_candidate_is_new(screened: Store, tmp_path: Path) -> None:
    save(screened, {**candidate("grows"), "candidate": False})
    with mail_server() as server:
        send(screened, english(tmp_path, server, ANNA))
        screened.save_verdicts(
            [_again(screened, "grows")]  # the same person, by other data
        )
        send(screened, english(tmp_path, server, ANNA), DUE + DAY)

    assert "Candidates found since the last message: 1" in whole_text(server.taken[1][1])


def _again(store: Store, identity: str) -> Any:
    before = store.verdict_of(SITE, f"Patient/{identity}", trial=TRIAL, stage="registration")
    assert before is not None
    content = json.dumps({**json.loads(before.content), "candidate": True})
    return msgspec.structs.replace(
        before, content=content, input_hash="other data", screened_at=before.screened_at + timedelta(days=1)
    )


def test_reader_with_nothing_to_be_told_gets_nothing_unless_the_settings_want_it(tmp_path: Path) -> None:
    with Store.open(tmp_path / "var") as store, mail_server() as server:
        quiet = send(store, english(tmp_path, server, ANNA))
        again = send(store, english(tmp_path, server, ANNA), DUE + timedelta(hours=1))
        wanted = send(store, english(tmp_path, server, ANNA, when_empty=True), DUE + DAY)

    assert [counts(one) for one in (quiet, again, wanted)] == [[{"empty": 1}], [{"already": 1}], [{"sent": 1}]]
    assert "Nothing is new" in whole_text(server.taken[0][1])


def test_recipient_who_is_refused_stops_nobody_and_is_not_tried_again_that_day(screened: Store, tmp_path: Path) -> None:
    with mail_server(replies={BEN: ["550 unknown"]}) as server:
        settings = english(tmp_path, server, ANNA, BEN, CAT)
        first, second = send(screened, settings), send(screened, settings)

    assert (counts(first), first.exit_code) == ([{"sent": 2, "refused": 1}], 5)
    assert (counts(second), second.exit_code) == ([{"already": 3}], 0)
    assert server.recipients == [ANNA, CAT]


def test_digest_that_the_server_takes_from_nobody_was_refused(screened: Store, tmp_path: Path) -> None:
    with mail_server(replies={ANNA: ["550 unknown"]}) as server:
        assert send(screened, english(tmp_path, server, ANNA)).exit_code == 4


@pytest.mark.parametrize("broken", ["451 greylisted", None], ids=["greylisted", "broken on the way"])
def test_digest_that_did_not_go_through_is_sent_with_the_next_round(
    screened: Store, tmp_path: Path, broken: str | None
) -> None:
    with mail_server(data_replies=[broken]) as server:
        settings = english(tmp_path, server, ANNA, BEN)
        first, second = send(screened, settings), send(screened, settings)

    assert (counts(first), first.exit_code) == ([{"sent": 1, "later": 1}], 75)
    assert (counts(second), second.exit_code) == ([{"sent": 1, "already": 1}], 0)
    assert server.recipients == [BEN, ANNA]


def test_server_that_is_away_leaves_all_for_the_next_round(screened: Store, tmp_path: Path) -> None:
    with mail_server() as server:
        settings = english(tmp_path, server, ANNA)
    away = send(screened, settings)
    with mail_server() as back:
        there = send(screened, english(tmp_path, back, ANNA))

    assert (away.exit_code, counts(away)) == (75, [{}])
    assert away.digests[0].problem is not None and "cannot be reached" in away.digests[0].problem
    assert counts(there) == [{"sent": 1}]


def test_digest_whose_sender_is_refused_is_sent_once_that_is_mended(screened: Store, tmp_path: Path) -> None:
    with mail_server(sender_reply="553 not yours") as server:
        settings = english(tmp_path, server, ANNA)
        refused = send(screened, settings)
        server.sender_reply = "250 OK"
        mended = send(screened, settings)

    assert (refused.exit_code, mended.exit_code) == (4, 0)
    assert server.recipients == [ANNA]


def test_wrong_thing_of_one_digest_does_not_stop_another(
    screened: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = screened.accounts.addresses

    def addresses(*, site: str, roles: Any) -> list[str]:
        if site == "broken":
            raise ConfigurationError("sites.broken", "is wrong")
        return real(site=site, roles=roles)

    monkeypatch.setattr(screened.accounts, "addresses", addresses)
    with mail_server() as server:
        settings = mail_settings(
            tmp_path,
            digest_of(site="broken", roles=["nurse"]),
            digest_of(ANNA),
            port=server.port,
        )
        settings = settings.model_copy(update={"sites": {**settings.sites, "broken": settings.sites[SITE]}})
        summary = send(screened, settings)

    assert counts(summary) == [{}, {"sent": 1}]
    assert summary.exit_code == 2


def test_digest_of_a_site_that_nobody_knows_is_named(screened: Store, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="nowhere is no site"):
        Mailing(screened, mail_settings(tmp_path, digest_of(ANNA, site="nowhere")), clock=lambda: DUE)


def test_digest_is_noted_in_the_audit_trail_by_how_many_got_it(screened: Store, tmp_path: Path) -> None:
    with mail_server() as server:
        send(screened, english(tmp_path, server, ANNA, BEN))
        send(screened, english(tmp_path, server, ANNA, BEN))

    found = [one for one in screened.audit_trail() if one.action == "digest-sent"]
    assert [(one.actor, one.subject, one.detail) for one in found] == [("reluth", SITE, "2")]


def test_log_of_digests_has_no_address_in_it(screened: Store, tmp_path: Path) -> None:
    replies = {ANNA: [f"550 <{ANNA}> unknown"], BEN: [f"451 <{BEN}> later"]}
    with logged() as events, mail_server(replies=replies) as server:
        send(screened, english(tmp_path, server, ANNA, BEN, CAT))

    assert {one["event"] for one in events} >= {"mail not taken", "digest"}
    assert "@" not in str(events) and "anna" not in str(events)
    assert [one for one in events if "withheld" in one] == []


def test_process_that_ended_on_the_way_is_made_good_once_its_claim_is_stale(
    screened: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def killed(*_args: object, **_more: object) -> bool:
        raise Killed

    with mail_server() as server:
        settings = english(tmp_path, server, ANNA)
        with monkeypatch.context() as patched:
            # After the server took it, before that was noted: the one place where it can arrive twice.
            patched.setattr(screened.digests, "end", killed)
            with pytest.raises(Killed):
                send(screened, settings)
        soon = send(screened, settings, DUE + timedelta(minutes=1))
        late = send(screened, settings, DUE + STALE_CLAIM + timedelta(minutes=1))
        after = send(screened, settings, DUE + STALE_CLAIM * 3)

    assert [counts(one) for one in (soon, late, after)] == [[{"already": 1}], [{"sent": 1}], [{"already": 1}]]
    assert server.recipients == [ANNA, ANNA]
    # The second copy can be known as one.
    assert server.message(0)["Message-ID"] == server.message(1)["Message-ID"]
