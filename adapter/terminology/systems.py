"""In: a document of other names of code systems. Out: the system that each name stands for."""

from __future__ import annotations

from collections.abc import Mapping

from adapter.terminology.reading import Node

__all__ = ["parse_systems"]


def parse_systems(document: Node) -> Mapping[str, str]:
    """The code system that each other name stands for, of a document of kind ``code-systems``.

    Raises:
        DocumentError: a name stands twice, or is that of a system itself, or nothing says where it is listed.
    """
    document["kind"].one_of("code-systems")
    systems = dict(document["systems"].items())
    document.close()
    found: dict[str, str] = {}
    for system, names in systems.items():
        for node in names.elements():
            name = node["name"].text()
            if name in found or name in systems:
                raise node["name"].fault(f"is {found.get(name, name)} already")
            node["source"].text()
            node.close()
            found[name] = system
    return found
