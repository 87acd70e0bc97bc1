"""In: several changes in one block. Out: all of them or none, whatever breaks off between two."""

from __future__ import annotations

import threading

import pytest

from adapter.errors import DefectError
from adapter.store import StaleDecisionError, Store

SITE, TRIAL, WHO = "icm", "nct04954820", "Patient/1"


def add(store: Store, patient: str = WHO) -> None:
    store.add_candidate(SITE, patient, trial=TRIAL, by="anna")


def note(store: Store, patient: str = WHO) -> None:
    store.audit("anna", "add", subject=f"{SITE}/{patient}")


def kept(store: Store) -> tuple[int, int]:
    return len(store.added_candidates(SITE)), len(store.audit_trail())


def test_what_is_kept_together_is_read_within_and_there_afterwards(store: Store) -> None:
    with store.together():
        add(store)
        note(store)
        within = kept(store)

    assert (within, kept(store)) == ((1, 1), (1, 1))


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_what_breaks_off_between_leaves_nothing(store: Store, error: type[BaseException]) -> None:
    def break_off() -> None:
        with store.together():
            with store.together():
                add(store)
            raise error

    with pytest.raises(error):
        break_off()

    assert kept(store) == (0, 0)


def test_clash_is_told_where_it_happens_and_nothing_of_the_block_is_kept(store: Store) -> None:
    def clash() -> None:
        with store.together():
            note(store)
            store.decide(SITE, WHO, trial=TRIAL, state="declined", reason="other", by="bruno", expected=0)

    store.decide(SITE, WHO, trial=TRIAL, state="contacted", reason="other", by="anna", expected=0)
    with pytest.raises(StaleDecisionError):
        clash()

    assert kept(store) == (0, 0)


def test_failed_part_that_is_passed_over_is_not_committed(store: Store) -> None:
    def pass_over() -> None:
        with store.together():
            add(store)
            with pytest.raises(OSError, match="broken off"), store._state.session():
                raise OSError("broken off")
            note(store)

    with pytest.raises(DefectError):
        pass_over()

    assert kept(store) == (0, 0)
    # The next block begins anew.
    with store.together():
        note(store)
    assert kept(store) == (0, 1)


def test_other_threads_have_transactions_of_their_own(store: Store) -> None:
    seen: list[tuple[int, int]] = []

    with store.together():
        add(store)
        other = threading.Thread(target=lambda: seen.append(kept(store)))
        other.start()
        other.join()

    assert seen == [(0, 0)]
