"""In: the tests as they were collected. Out: which of them run in one process, one after the other, where there are several.

Two processes halve the time on two cores. A file's tests stay together, for what its fixtures made; all files with tests of a Java
server are one scope, so that each server is started, and its jars fetched by Maven, once.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

_ROOT = Path(__file__).resolve().parents[1]
_JAVA = "java"


class _Scopes(LoadScopeScheduling):  # type: ignore[misc] # xdist has no types
    # xdist's own groups (loadgroup) do not work with pytest 9.2: it looks for an attribute that is no longer there.
    def _split_scope(self, nodeid: str) -> str:
        return _scope_of(nodeid.partition("::")[0])


@cache
def _scope_of(file: str) -> str:
    return _JAVA if "pytest.mark.hapi" in (_ROOT / file).read_text(encoding="utf-8") else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Our scopes, whatever ``--dist`` says."""
    return _Scopes(config, log)


def pytest_make_parametrize_id(config: pytest.Config, val: object, argname: str) -> str | None:
    """Bytes are named after their argument: compressed ones hold the second in which a process made them, and processes
    that collect tests of different names run none of them."""
    return argname if isinstance(val, bytes) else None
