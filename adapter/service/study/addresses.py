"""In: a path of ours and parameters. Out: the address, without those that are not given."""

from __future__ import annotations

from urllib.parse import urlencode

__all__ = ["address"]


def address(path: str, **parameters: object) -> str:
    """An address of this service; a parameter that is None or empty is left out.

    >>> address("/log", site="icm", page=None, stage="")
    '/log?site=icm'
    """
    given = {name: str(value) for name, value in parameters.items() if value not in (None, "")}
    return f"{path}?{urlencode(given)}" if given else path
