"""In: a literal reference, or a server's base URL. Out: the base that it stands under, in one spelling; None where it is relative.

``Patient/12`` of another server is another person than ours: whose an absolute reference is, its base says (R4 references.html#literal).
"""

from __future__ import annotations

import re
from functools import lru_cache

__all__ = ["base_of", "plain_base"]

#: A server answers under both, a proxy before it or not; so the scheme, and its own port, tell no two servers apart.
_SCHEME = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.\-]*:)?//(?P<host>[^/?#]*)(?P<path>.*)", re.DOTALL)
_OWN_PORTS = (":80", ":443")
_TAIL = re.compile(r"/[A-Z][A-Za-z]+/[A-Za-z0-9\-.]{1,64}(?:/_history/[A-Za-z0-9\-.]{1,64})?$")


def plain_base(url: str) -> str:
    """A base URL without scheme, default port and closing slash, its host in small letters.

    >>> plain_base("https://EHR.example.org:443/fhir/")
    'ehr.example.org/fhir'
    """
    found = _SCHEME.fullmatch(url)
    if found is None:
        return url.rstrip("/")
    host = found["host"].lower()
    for port in _OWN_PORTS:
        host = host.removesuffix(port)
    return f"{host}{found['path']}".rstrip("/")


@lru_cache(maxsize=2**16)
def base_of(literal: str) -> str | None:
    """The base of an absolute reference to a resource, as `plain_base` writes it; None of a relative one.

    >>> base_of("http://ehr.example.org/fhir/Patient/12/_history/3"), base_of("Patient/12"), base_of("/fhir/Patient/12")
    ('ehr.example.org/fhir', None, None)
    """
    if _SCHEME.fullmatch(literal) is None:
        return None
    return plain_base(_TAIL.sub("", literal))
