"""In: arguments in any order. Out: `Options`, the global options of `reluth`, which every verb gets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Options", "hoist"]

_FLAGS = frozenset({"--json", "--quiet"})
_VALUED = frozenset({"--config", "--store"})


@dataclass(frozen=True, slots=True)
class Options:
    """What holds for every verb.

    Attributes:
        config: settings file, None for ``./adapter.toml`` where there is one.
        store: the store's folder, None for the settings' one.
        json: machine-readable output.
        quiet: only errors on stderr.
    """

    config: Path | None = None
    store: Path | None = None
    json: bool = False
    quiet: bool = False


def hoist(arguments: Sequence[str]) -> list[str]:
    """The same arguments, global options first: click knows those of the group only before the verb.

    >>> hoist(["screen", "--json", "--site", "icm", "--store", "var"])
    ['--json', '--store', 'var', 'screen', '--site', 'icm']
    >>> hoist(["why", "--", "--json"])
    ['why', '--', '--json']
    """
    first: list[str] = []
    rest: list[str] = []
    waiting = iter(arguments)
    for argument in waiting:
        if argument == "--":
            rest += [argument, *waiting]
        elif argument in _FLAGS or (argument.partition("=")[0] in _VALUED and "=" in argument):
            first.append(argument)
        elif argument in _VALUED:
            first += [argument, *_one(waiting)]
        else:
            rest.append(argument)
    return first + rest


def _one(waiting: Iterator[str]) -> list[str]:
    # Nothing follows: click says so itself.
    return [value for value in [next(waiting, None)] if value is not None]
