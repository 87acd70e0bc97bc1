"""Promises of certificates' ends: of a chain the first, of a list of authorities the last, of what cannot be read none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from adapter.client.certificates import days_left, end_of_authorities, end_of_chain, end_told
from tests.support.certificates import Authority


def test_chain_ends_with_the_first_and_a_list_of_authorities_with_the_last(tmp_path: Path) -> None:
    authority, other = Authority(tmp_path / "a", days=40), Authority(tmp_path / "b", days=-2)
    pair = authority.pair("client", days=300)
    both = tmp_path / "both.pem"
    both.write_bytes(pair.certificate.read_bytes() + authority.file.read_bytes() + other.file.read_bytes())
    now = datetime.now(UTC)

    ends = end_of_chain(pair.certificate), end_of_chain(both), end_of_authorities(both)

    assert [None if end is None else round((end - now) / timedelta(days=1)) for end in ends] == [300, -2, 300]


@pytest.mark.parametrize("content", [None, b"", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_file_that_cannot_be_read_has_no_end(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "x.pem"
    if content is not None:
        file.write_bytes(content)

    assert end_of_chain(file) is end_of_authorities(file) is None


def test_days_are_whole_ones_and_negative_afterwards() -> None:
    end = datetime(2027, 1, 10, 12, tzinfo=UTC)

    assert [days_left(end, now=end - timedelta(hours=hours)) for hours in (49, 47, 1, -1)] == [2, 1, 0, -1]


def test_certificate_that_tells_no_end_has_none() -> None:
    assert end_told({}) is None
