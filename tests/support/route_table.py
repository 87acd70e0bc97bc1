"""In: the service, the table of its routes, the roles. Out: its routes as it has them; the table of docs/security.md.

``python -m tests.support.route_table`` writes that table anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI

from adapter.accounts import GRANTS, Permission, Role
from adapter.service.door.permissions import ROUTES, Open
from tests.support.pages import DOCS

__all__ = ["BEGIN", "END", "documented", "rendered", "roles_with", "routes_of"]

BEGIN, END = "<!-- routes -->", "<!-- /routes -->"
_PAGE = DOCS / "security.md"


def routes_of(app: FastAPI) -> set[tuple[str, str]]:
    """Method and path of every route, also of those in routers that were included."""
    return set(_walked(app.routes))


def _walked(routes: list[Any]) -> Iterator[tuple[str, str]]:
    for route in routes:
        # FastAPI keeps an included router as it is, without a path of its own.
        inner = getattr(route, "original_router", None)
        if inner is not None:
            yield from _walked(inner.routes)
        else:
            yield from ((method, route.path) for method in route.methods - {"HEAD"})


def roles_with(rule: Permission) -> list[Role]:
    """Who may take a route with this rule, at one site at least."""
    return [role for role in Role if rule is Permission.SIGNED_IN or rule in GRANTS[role]]


def rendered() -> str:
    """The table as it stands in the documentation."""
    lines = [
        "| Route | Needs | " + " | ".join(role.replace("-", " ") for role in Role) + " |",
        "|---|---|" + "---|" * len(Role),
    ]
    for (method, path), rule in sorted(ROUTES.items(), key=lambda item: (item[0][1], item[0][0])):
        if isinstance(rule, Open):
            needs, marks = f"open: {rule.value}", ["" for _ in Role]
        else:
            needs, marks = f"`{rule.value}`", ["yes" if role in roles_with(rule) else "no" for role in Role]
        lines.append(f"| `{method} {path}` | {needs} | " + " | ".join(marks) + " |")
    return "\n".join(lines)


def documented() -> str:
    """The table in the documentation."""
    return _PAGE.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0].strip()


def _write() -> None:
    before, _, rest = _PAGE.read_text(encoding="utf-8").partition(BEGIN)
    _PAGE.write_text(f"{before}{BEGIN}\n{rendered()}\n{END}{rest.partition(END)[2]}", encoding="utf-8")


if __name__ == "__main__":
    _write()
