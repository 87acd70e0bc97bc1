"""Promises of merged patients."""

from __future__ import annotations

import pytest

from adapter.store.merges import survivors


@pytest.mark.parametrize(
    ("links", "expected"),
    [
        pytest.param([("P/1", "replaced-by P/2")], {"P/1": "P/2"}, id="replaced-by"),
        pytest.param([("P/2", "replaces P/1")], {"P/1": "P/2"}, id="its-mirror"),
        pytest.param(
            [("P/1", "replaced-by P/2"), ("P/2", "replaced-by P/3")], {"P/1": "P/3", "P/2": "P/3"}, id="a-chain"
        ),
        pytest.param([("P/1", "seealso P/2"), ("P/1", "refer P/3")], {}, id="other-links-do-not-merge"),
        pytest.param([("P/1", "replaced-by P/1")], {}, id="itself"),
        pytest.param(
            [("P/3", "replaced-by P/2"), ("P/2", "replaced-by P/3")], {"P/3": "P/2"}, id="a-circle-smallest-survives"
        ),
        pytest.param(
            [("P/9", "replaced-by P/5"), ("P/5", "replaced-by P/7"), ("P/7", "replaced-by P/5")],
            {"P/7": "P/5", "P/9": "P/5"},
            id="into-a-circle",
        ),
        pytest.param(
            [("P/1", "replaced-by P/3"), ("P/1", "replaced-by P/2")], {"P/1": "P/2"}, id="two-successors-smallest"
        ),
        pytest.param([("P/1", "replaced-by ")], {}, id="no-target"),
    ],
)
def test_merges_name_the_survivor(links: list[tuple[str, str]], expected: dict[str, str]) -> None:
    assert survivors(links) == expected
    assert survivors(reversed(links)) == expected
