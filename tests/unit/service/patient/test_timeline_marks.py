"""Marks of the timeline: each kind has a shape of its own, so that no colour has to tell them apart."""

from __future__ import annotations

from adapter.service.patient import timeline


def test_no_two_kinds_have_the_same_shape_and_filling() -> None:
    marks = [*timeline._CYCLES.values(), *timeline._SAID.values()]

    assert len(set(marks)) == len(marks)


def test_no_shape_is_both_a_cycles_and_a_statuss() -> None:
    cycles = {shape for shape, _ in timeline._CYCLES.values()}

    assert cycles.isdisjoint(shape for shape, _ in timeline._SAID.values())


def test_every_status_has_its_colour() -> None:
    assert timeline._OF_STATUS.keys() == timeline._SAID.keys()
