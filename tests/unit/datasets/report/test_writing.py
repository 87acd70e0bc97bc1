"""The page: one file that runs and fetches nothing, the same bytes each time, a table beside each picture, no pseudonym unless asked for."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import yaml

from adapter.datasets.formats import REPORT
from adapter.datasets.report import write_report
from adapter.datasets.report.words import LANGUAGES, Language
from tests.support.cli import reluth
from tests.support.package_tables import write_package
from tests.unit.datasets.report.trial import package, tables


class _Page(HTMLParser):
    """What a page consists of."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.pointed: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        self.tags.append(tag)
        self.ids += [value for name, value in attrs if name == "id" and value]
        self.pointed += [
            one for name, value in told.items() if name == "aria-labelledby" and value for one in value.split()
        ]


def _written(folder: Path, language: Language = "en", *, named: bool = False) -> str:
    return write_report(folder, language=language, named=named).read_text(encoding="utf-8")


@pytest.mark.parametrize("language", LANGUAGES)
def test_report_is_one_file_that_runs_and_fetches_nothing(tmp_path: Path, language: Language) -> None:
    text = _written(package(tmp_path / "p"), language)
    page = _Page(text)

    assert f'<html lang="{language}">' in text
    assert not {"script", "link", "img", "iframe", "object", "form"} & set(page.tags)
    assert set(re.findall(r"https?://[^\s\"'<]+", text)) <= {
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/1999/xlink",
    }
    assert "default-src 'none'" in text


def test_report_has_the_same_bytes_each_time_and_no_date_of_its_making(tmp_path: Path) -> None:
    first, again = (_written(package(tmp_path / name / "p")) for name in ("one", "two"))

    assert first == again
    assert "<dc:date>" not in first


def test_every_id_is_there_once_and_every_label_is_there(tmp_path: Path) -> None:
    page = _Page(_written(package(tmp_path / "p")))

    assert len(page.ids) == len(set(page.ids))
    assert set(page.pointed) <= set(page.ids)


def test_every_picture_is_named_and_has_its_figures_in_a_table(tmp_path: Path) -> None:
    text = _written(package(tmp_path / "p"))
    pictures = re.findall(r"<svg.*?</svg>", text, re.DOTALL)
    sections = re.findall(r"<section.*?</section>", text, re.DOTALL)

    assert len(pictures) == len(sections) == 5
    for picture in pictures:
        root = ET.fromstring(picture)
        assert root.get("role") == "img"
        assert f'id="{root.get("aria-labelledby")}"' in text
    assert all("<table>" in section and "<caption" in section for section in sections)


@pytest.mark.parametrize(
    ("language", "said"),
    [
        (
            "en",
            [
                "6 randomised of 146 planned (4.1%)",
                "1/3 = 33.3% [0.8%; 90.6%]",
                "1/2 = 50.0% [1.3%; 98.7%]",
                "6 months not over yet",
            ],
        ),
        ("fr", ["6 randomisés sur 146 prévus (4,1\xa0%)", "1/3 = 33,3\xa0% [0,8\xa0% ; 90,6\xa0%]", "Non évaluables"]),
    ],
)
def test_report_tells_rates_with_denominators_and_intervals(
    tmp_path: Path, language: Language, said: list[str]
) -> None:
    text = _written(package(tmp_path / "p"), language)

    assert [one for one in said if one not in text] == []


def test_subjects_are_named_only_where_that_was_asked_for(tmp_path: Path) -> None:
    folder = package(tmp_path / "p")

    assert "RELUTH-05-" not in _written(folder)
    assert "RELUTH-05-0001" in _written(folder, named=True)


def test_report_of_one_domain_says_what_is_missing(tmp_path: Path) -> None:
    text = _written(package(tmp_path / "p", "ds", "ec", "ex", "lb", "rs", "sv", "ts", "tv"))

    assert "Domains that are not in the package: DS, EC, EX, LB, RS, SV, TS, TV" in text
    assert "There is nothing to show." in text


def test_report_of_shifted_dates_says_so(tmp_path: Path) -> None:
    assert "months of accrual say nothing" in _written(package(tmp_path / "p", shift_dates=True))


def test_text_of_a_package_cannot_become_markup(tmp_path: Path) -> None:
    rows = [{**row, "STUDYID": "<script>alert(1)</script>", "ARM": "<b>&"} for row in tables()["dm"]]
    text = _written(write_package(tmp_path / "other", {**tables(), "dm": rows}))

    assert "<script" not in text
    assert "&lt;b&gt;&amp;" in text


def test_words_have_both_languages_with_the_same_braces() -> None:
    document = yaml.safe_load(files("mappings").joinpath("words/report.yaml").read_text(encoding="utf-8"))
    entries = [entry for group in document.values() for entry in group.values()]

    assert entries
    for entry in entries:
        assert set(entry) == set(LANGUAGES)
        assert len({frozenset(re.findall(r"{(\w+)}", text)) for text in entry.values()}) == 1


def test_verb_writes_the_report_into_the_folder(tmp_path: Path) -> None:
    folder = package(tmp_path / "p")
    ran = reluth("report", folder, "--lang", "en", "--json")

    assert ran.code == 0
    assert json.loads(ran.out)["report"] == str(folder / REPORT)
    assert (folder / REPORT).read_text(encoding="utf-8").startswith("<!doctype html>")


@pytest.mark.parametrize("arguments", [["--lang", "de"], []])
def test_verb_refuses_what_it_cannot_do(tmp_path: Path, arguments: list[str]) -> None:
    assert reluth("report", tmp_path, *arguments).code == 2
