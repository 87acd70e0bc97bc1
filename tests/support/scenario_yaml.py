"""In: the text of a scenario file. Out: its object, with dates and words as they are typed and decimals exact."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import yaml

__all__ = ["load_scenarios"]


class _Loader(yaml.SafeLoader):
    """YAML as scenarios need it: ``on`` and ``no`` are words, 2025-05-20 is text, 11.20 keeps its zero."""


def _decimal(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> Decimal:
    return Decimal(str(loader.construct_scalar(node)))


_OWN = {
    # YAML 1.1 reads `on` and `no` as booleans, 120:80 as a number of base sixty and 010 as eight.
    "tag:yaml.org,2002:bool": (r"^(?:true|false)$", "tf"),
    "tag:yaml.org,2002:int": (r"^-?(?:0|[1-9][0-9]*)$", "-0123456789"),
}
_LEFT_OUT = {*_OWN, "tag:yaml.org,2002:timestamp"}
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in _LEFT_OUT]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
for _tag, (_pattern, _first) in _OWN.items():
    _Loader.add_implicit_resolver(_tag, re.compile(_pattern), list(_first))
_Loader.add_constructor("tag:yaml.org,2002:float", _decimal)


def load_scenarios(text: str) -> dict[str, Any]:
    """Read one scenario file.

    Args:
        text: the YAML.

    Returns:
        the file's object.

    Raises:
        TypeError: the file holds something else than an object.
    """
    found = yaml.load(text, Loader=_Loader)
    if not isinstance(found, dict):
        raise TypeError("a scenario file holds one object")
    return found
