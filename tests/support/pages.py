"""In: the Markdown pages of this project. Out: their tables, sections, code blocks and links, for tests to compare with what they describe."""

from __future__ import annotations

import re
from pathlib import Path

__all__ = ["BLOCK", "DOCS", "LINK", "PAGES", "ROOT", "first_cells", "read_keys", "sections", "text"]

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *DOCS.rglob("*.md")])
LINK = re.compile(r"\[[^\]]*\]\((?P<target>[^)\s]+)\)")
BLOCK = re.compile(r"^```(?P<kind>\w*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)


def text(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def first_cells(page: str) -> dict[str, str]:
    """The rows of all tables, by each name in backquotes of the first cell."""
    rows = re.findall(r"^\| (.+?) \|(.*)$", page, re.MULTILINE)
    return {name: rest for cell, rest in rows for name in re.findall(r"`([^`]+)`", cell)}


def sections(page: str, level: int) -> dict[str, str]:
    """The text under each heading of a level, up to the next heading of that level or above."""
    parts = re.split(rf"^(#{{1,{level}}}) (.+)$", page, flags=re.MULTILINE)
    found = zip(parts[1::3], parts[2::3], parts[3::3], strict=True)
    return {title: body for marks, title, body in found if len(marks) == level}


def read_keys(source: str) -> set[str]:
    """The keys that a parser reads of its node, by its source."""
    return {first or second for first, second in re.findall(r'\bnode(?:\["(\w+)"\]|\.get\("(\w+)"\))', source)}
