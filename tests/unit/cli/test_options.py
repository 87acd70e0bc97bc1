"""In: arguments in any order. Out: global options first."""

from __future__ import annotations

import pytest

from adapter.cli.options import hoist


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["screen", "--json"], ["--json", "screen"]),
        (["--json", "screen"], ["--json", "screen"]),
        (["screen", "--store", "var", "--all"], ["--store", "var", "screen", "--all"]),
        (["screen", "--store=var"], ["--store=var", "screen"]),
        (["why", "1", "--quiet", "--config", "a.toml"], ["--quiet", "--config", "a.toml", "why", "1"]),
        (["store", "stats", "--json"], ["--json", "store", "stats"]),
        (["screen", "--store"], ["--store", "screen"]),
        (["why", "--", "--json"], ["why", "--", "--json"]),
        ([], []),
    ],
)
def test_hoist_puts_global_options_first_and_keeps_the_rest(given: list[str], expected: list[str]) -> None:
    assert hoist(given) == expected
