"""Turns: in the order in which they were asked for, also for who comes back from waiting elsewhere."""

from __future__ import annotations

import threading
import time

from adapter.service.cards.turns import Turns


def _until(turns: Turns, waiting: int) -> None:
    deadline = time.monotonic() + 10
    while len(turns._waiting) + len(turns._back) < waiting:
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_turns_are_given_in_the_order_in_which_they_were_asked_for() -> None:
    turns, order = Turns(1), []

    def work(name: int) -> None:
        with turns:
            order.append(name)

    threads = [threading.Thread(target=work, args=(name,)) for name in range(8)]
    with turns:
        for at, thread in enumerate(threads, start=1):
            thread.start()
            _until(turns, at)
    for thread in threads:
        thread.join(10)

    assert order == list(range(8))


def test_no_more_work_at_once_than_there_are_places() -> None:
    turns, guard, now, most = Turns(3), threading.Lock(), [0], [0]

    def work() -> None:
        with turns:
            with guard:
                now[0] += 1
                most[0] = max(most[0], now[0])
            time.sleep(0.01)
            with guard:
                now[0] -= 1

    threads = [threading.Thread(target=work) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)

    assert most == [3]


def test_those_who_come_back_are_served_in_the_order_in_which_they_came_back() -> None:
    turns, order = Turns(1), []
    away, back = threading.Semaphore(0), [threading.Event() for _ in range(6)]

    def work(name: int) -> None:
        with turns:
            with turns.apart():
                away.release()
                back[name].wait(10)
            order.append(name)

    threads = [threading.Thread(target=work, args=(name,)) for name in range(6)]
    for thread in threads:
        thread.start()
    for _ in threads:
        assert away.acquire(timeout=10)
    held, left = threading.Event(), threading.Event()

    def holder() -> None:
        with turns:
            held.set()
            left.wait(10)

    place = threading.Thread(target=holder)
    place.start()
    assert held.wait(10)
    for at, name in enumerate((3, 1, 5, 0, 4, 2), start=1):
        back[name].set()
        _until(turns, at)
    left.set()
    for thread in (*threads, place):
        thread.join(10)

    assert order == [3, 1, 5, 0, 4, 2]


def test_who_waited_elsewhere_comes_before_those_who_came_meanwhile() -> None:
    turns, order = Turns(1), []
    away, back, held = threading.Event(), threading.Event(), threading.Event()

    def first() -> None:
        with turns:
            with turns.apart():
                away.set()
                back.wait(10)
            order.append("first")

    def holder() -> None:
        with turns:
            held.set()
            _until(turns, 2)

    def late() -> None:
        with turns:
            order.append("late")

    threads = [threading.Thread(target=one) for one in (first, holder, late)]
    threads[0].start()
    assert away.wait(10)
    threads[1].start()
    assert held.wait(10)
    threads[2].start()
    _until(turns, 1)
    back.set()
    for thread in threads:
        thread.join(10)

    assert order == ["first", "late"]


def test_a_place_is_given_back_by_who_fails() -> None:
    turns = Turns(1)
    for _ in range(2):
        try:
            with turns:
                raise ValueError
        except ValueError:
            pass

    with turns:
        assert not turns._waiting
