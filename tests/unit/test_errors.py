"""In: the tree of errors. Out: whether each class says what to do next, and the worst of several is the exit code."""

from __future__ import annotations

import itertools

import pytest

from adapter import errors

CODES = {
    "BusyError": (75, True),
    "ConfigurationError": (2, False),
    "DamagedError": (5, False),
    "DefectError": (1, False),
    "DocumentError": (3, False),
    "QuarantinedError": (5, False),
    "ReluthError": (1, False),
    "RemoteError": (4, False),
    "StateUnavailableError": (75, True),
    "StorageError": (75, True),
    "TransientError": (75, True),
    "UsageError": (2, False),
}


def test_every_error_has_the_exit_code_of_the_contract() -> None:
    classes = {name: getattr(errors, name) for name in errors.__all__ if name.endswith("Error")}

    assert {name: (kind.exit_code, kind.retryable) for name, kind in classes.items()} == CODES
    assert all(issubclass(kind, errors.ReluthError) for kind in classes.values())


def test_the_tree_stands_as_drawn() -> None:
    assert issubclass(errors.ConfigurationError, errors.UsageError)
    assert issubclass(errors.TransientError, errors.RemoteError)
    assert not issubclass(errors.BusyError, errors.RemoteError)


def test_the_door_is_sorted() -> None:
    assert errors.__all__ == sorted(errors.__all__)


def test_texts_are_made_inside_the_class() -> None:
    document = errors.DocumentError("a.yaml", "/b/0", "odd")
    setting = errors.ConfigurationError("sites.icm.base_url", "is missing")
    item = errors.QuarantinedError("Observation/1", "unknown resource type")

    assert [str(found) for found in (document, setting, item)] == [
        "a.yaml#/b/0: odd",
        "sites.icm.base_url: is missing",
        "Observation/1: unknown resource type",
    ]
    assert (document.file, document.pointer, document.problem) == ("a.yaml", "/b/0", "odd")
    assert (setting.setting, setting.problem, item.where, item.reason) == (
        "sites.icm.base_url",
        "is missing",
        "Observation/1",
        "unknown resource type",
    )


@pytest.mark.parametrize(
    "codes", [set(found) for size in range(1, 4) for found in itertools.combinations((1, 2, 3, 4, 75, 5), size)]
)
def test_the_worst_code_is_the_first_of_the_contracts_order(codes: set[int]) -> None:
    order = [1, 2, 3, 4, 75, 5]

    assert errors.worst_exit_code(codes) == min(codes, key=order.index)


def test_nothing_wrong_is_zero() -> None:
    assert errors.worst_exit_code(set()) == 0
    assert errors.worst_exit_code({0}) == 0
