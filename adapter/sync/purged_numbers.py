"""In: the hospital's numbers of people whose data are removed. Out: what is kept of them: keyed digests, by which a number is found and none is read.

The key is that of the pseudonyms: it is in every backup, and no backup holds digests of another one.
"""

from __future__ import annotations

from collections.abc import Iterable

from adapter.pseudonyms import keyed_digest
from adapter.store import Store, pseudonym_key

__all__ = ["number_digests"]


def number_digests(store: Store, site: str, numbers: Iterable[str]) -> frozenset[str]:
    """HMAC-SHA-256 of some numbers at a site, in hexadecimal.

    Args:
        store: whose key.
        site: of the numbers: two sites' digests of one number tell nothing of each other.
        numbers: folded.

    Raises:
        ConfigurationError: the key cannot be used.
    """
    key = pseudonym_key(store.folder)
    return frozenset(keyed_digest(key, "purged-number", site, one).hex() for one in numbers)
