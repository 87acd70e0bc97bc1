"""In: the package's public door. Out: two apps, each loaded when it is asked for."""

from __future__ import annotations

import subprocess
import sys

import pytest

import adapter.service


def test_door_opens_to_all_it_names() -> None:
    assert adapter.service.__all__ == sorted(adapter.service.__all__)
    assert all(callable(getattr(adapter.service, name)) for name in adapter.service.__all__)


def test_door_opens_to_nothing_else() -> None:
    with pytest.raises(AttributeError, match="no attribute 'app_of_another'"):
        _ = adapter.service.app_of_another


def test_door_loads_no_web_framework_before_an_app_is_asked_for() -> None:
    code = "import sys, adapter.service; print(sorted({'fastapi', 'uvicorn', 'duckdb'} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert found.stdout.strip() == "[]"
