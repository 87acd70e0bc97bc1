"""In: texts that a hospital, a provider or a person wrote. Out: what reaches a terminal of them: signs to read, and nothing that it would obey."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.table import Table

from adapter.cli.output import console, line, plain, say
from tests.support.cli import reluth
from tests.support.clinic import ON, clinic, condition, write_feed

#: Colours, the window's title, a line that is written over, the 8-bit introducer, letters turned round.
OBEYED = "\x1b[31mred\x1b]0;title\x07\rover\x9b2J\u202egnorw\x00"


def test_text_is_a_text() -> None:
    assert plain("C17.2\tl'été, 12\u202f000 µg/L\u00a0: ≥ 3\n") == "C17.2\tl'été, 12\u202f000 µg/L\u00a0: ≥ 3\n"
    assert plain(OBEYED) == "�[31mred�]0;title��over�2J�gnorw�"


def test_nothing_that_is_printed_is_obeyed(capsys: pytest.CaptureFixture[str]) -> None:
    table = Table(OBEYED)
    table.add_row(OBEYED)
    line(OBEYED)
    say(OBEYED)
    console().print(table)
    console().print(OBEYED)

    told = capsys.readouterr()
    assert not set(OBEYED) & set("\x1b\x07\r\x9b\u202e\x00") & set(told.out + told.err)
    assert (told.out.count("gnorw"), told.err.count("gnorw")) == (4, 1)


def test_name_in_brackets_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    table = Table()
    table.add_row("Anna Roux [ext]", "Bo [/ext]")
    console().print(table)

    assert "Anna Roux [ext]" in (told := capsys.readouterr().out)
    assert "Bo [/ext]" in told


def test_why_prints_what_a_hospital_wrote_and_does_not_obey_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    hostile = condition("c-hostile", "intestinal", f"C18{OBEYED}")
    reluth("pull", "--from", write_feed(tmp_path / "feed", [*clinic(), hostile]), "--site", "clinic")

    ran = reluth("why", "clinic/intestinal", "--on", ON)

    assert ran.code == 0
    assert "C18[31mred" in ran.out
    assert not {"\x1b", "\x07", "\r", "\x9b", "\u202e"} & set(ran.out)
