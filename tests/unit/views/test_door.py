"""The package's door: what it names is there, and reading a view does not import the compiler."""

from __future__ import annotations

import subprocess
import sys

import pytest

import adapter.views
from adapter.datasets import engines


@pytest.mark.parametrize("package", [adapter.views, engines])
def test_door_names_what_is_there_in_order(package: object) -> None:
    names: list[str] = package.__all__  # type: ignore[attr-defined]

    assert all(hasattr(package, name) for name in names)
    assert names == sorted(names, key=lambda name: (not name.isupper(), name[0].islower(), name))


def test_door_has_nothing_else() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'compile'"):
        adapter.views.compile  # noqa: B018


def test_reading_a_view_does_not_import_ibis() -> None:
    code = "import sys; from adapter.views import parse_view; sys.exit('ibis' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
