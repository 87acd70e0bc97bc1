"""In: mail addresses as somebody wrote them. Out: the same, fit for a header and an envelope; or an error without them."""

from __future__ import annotations

import hashlib
import re
from email.headerregistry import Address
from email.utils import parseaddr
from typing import Final

__all__ = ["domain_of", "plain_address", "recipient_hash", "sender_address"]

#: RFC 5321 4.5.3.1.3: a path of 256 octets, its brackets included.
_LONGEST: Final = 254
_LONGEST_LOCAL: Final = 64
#: RFC 5321 4.1.2 without quoted strings and address literals: what is left out serves to smuggle, not to reach people.
_LOCAL: Final = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_DOMAIN: Final = re.compile(
    r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*"
)


def plain_address(text: str) -> str:
    """One address, ``name@domain``, and nothing beside it.

    Raises:
        ValueError: it is none; the text does not hold it.

    >>> plain_address("anna@example.org")
    'anna@example.org'
    """
    local, separator, domain = text.rpartition("@")
    if (
        not separator
        or len(text) > _LONGEST
        or len(local) > _LONGEST_LOCAL
        or not _LOCAL.fullmatch(local)
        or not _DOMAIN.fullmatch(domain)
    ):
        raise ValueError("an address as name@example.org is wanted, in ASCII")
    return text


def sender_address(text: str) -> Address:
    """An address, with or without a name before it: ``ReLUTH <reluth@example.org>``.

    Raises:
        ValueError: it is none, or holds a control character; the text does not hold it.

    >>> str(sender_address("ReLUTH <reluth@example.org>"))
    'ReLUTH <reluth@example.org>'
    """
    if not text.isprintable():
        raise ValueError("a control character may not stand in an address")
    name, address = parseaddr(text)
    if text.strip() not in (address, f"{name} <{address}>", f'"{name}" <{address}>'):
        raise ValueError("one address is wanted, as reluth@example.org or ReLUTH <reluth@example.org>")
    return Address(display_name=name, addr_spec=plain_address(address))


def domain_of(address: Address) -> str:
    """The domain of a sender, by which we greet the server and number messages."""
    return address.domain.lower()


def recipient_hash(address: str) -> str:
    """What stands for a recipient in the store: the same for one person, however the address is written."""
    return hashlib.sha256(address.casefold().encode()).hexdigest()
