"""In: flows with the longest labels there are. Out: boxes that lie apart and hold their text; a picture that says what the table says."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from itertools import combinations
from xml.etree import ElementTree as ET

import pytest

from adapter.criteria import Stage, Trial
from adapter.documents import load_trial
from adapter.screening import STEPS, Flow, Funnel, funnel_of
from adapter.service.language import LANGUAGES, Language
from adapter.service.study.flow import FlowBox, flow_boxes
from adapter.service.study.flow_picture import Placed, draw_flow, place_boxes


@pytest.fixture(scope="module", params=["nct04954820", "start-net"])
def trial(request: pytest.FixtureRequest) -> Trial:
    return load_trial(request.param)


def funnel(trial: Trial, language: Language, *, large: bool = True) -> Funnel:
    """Every step with another count, the criteria with the longest labels as reasons."""
    empty = funnel_of((), trial, Stage.REGISTRATION, site="icm", patients=1_234_567 if large else 3)
    names = sorted((one.id for one in trial.criteria), key=lambda name: -len(trial.criterion(name).label[language]))
    steps = [step for group in STEPS.values() for step in group]
    counts = {step: 10_000 + 7 * place if large else 0 for place, step in enumerate(steps)}
    reasons = tuple((name, 9_000 - place) for place, name in enumerate(names[:9])) if large else ()
    return replace(empty, candidates=sum(counts.values()), flow=Flow(counts, reasons))


def overlap(one: Placed, other: Placed) -> bool:
    return (
        one.x < other.x + other.width and other.x < one.x + one.width and one.y < other.bottom and other.y < one.bottom
    )


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("large", [True, False])
def test_boxes_lie_apart_and_within_the_picture(trial: Trial, language: Language, large: bool) -> None:
    placed = place_boxes(flow_boxes(funnel(trial, language, large=large), trial, language))

    assert len(placed) == 7
    assert not [(one.box.name, other.box.name) for one, other in combinations(placed, 2) if overlap(one, other)]
    assert all(one.x >= 0 and one.y >= 0 and one.x + one.width <= 740 for one in placed)
    assert all(sum(size * 1.4 for _, size, _, _ in one.rows) < one.height for one in placed)


@pytest.mark.parametrize("language", LANGUAGES)
def test_picture_says_every_count_of_the_boxes(trial: Trial, language: Language) -> None:
    boxes = flow_boxes(funnel(trial, language), trial, language)
    said = texts(draw_flow(boxes))

    for text in (*(box.text for box in boxes), *(line.text for box in boxes for line in box.lines)):
        assert " ".join(text.split()) in said


def texts(picture: bytes) -> str:
    """What a picture says, a box after the other, breaks of lines gone."""
    root = ET.fromstring(picture)
    return " ".join(
        " ".join("".join(item.itertext()) for item in root.iter("{http://www.w3.org/2000/svg}text")).split()
    )


def test_totals_of_the_boxes_are_the_sums_of_their_lines(trial: Trial) -> None:
    by_name = {box.name: box for box in flow_boxes(funnel(trial, "en"), trial, "en")}

    def parts(box: FlowBox) -> int:
        return sum(int(line.persons) for line in box.lines if line.depth == 1)

    groups = [by_name[name] for name in STEPS]
    assert [int(box.persons) for box in groups] == [parts(box) for box in groups]
    assert int(by_name["retained"].persons) == sum(parts(box) for box in groups if box.name != "excluded")
    assert int(by_name["candidates"].persons) == sum(parts(box) for box in groups)


def test_same_flow_gives_the_same_bytes_without_a_date(trial: Trial) -> None:
    boxes = flow_boxes(funnel(trial, "fr"), trial, "fr")
    first, second = draw_flow(boxes), draw_flow(boxes)

    assert first == second
    assert b"<dc:date>" not in first
    assert b"<script" not in first
    assert not re.findall(rb"20\d\d-\d\d-\d\d", first)


def test_state_of_another_trial_without_words_is_shown_by_its_label(trial: Trial) -> None:
    boxes = {box.name: box for box in flow_boxes(funnel(trial, "fr"), trial, "fr")}
    labels = {state.id: state.label["fr"] for state in trial.states}

    assert [line.label for line in boxes["followed"].lines] == [labels[step] for step in STEPS["followed"]]


def test_matplotlib_is_not_imported_before_a_picture_is_asked_for() -> None:
    script = "import sys; import adapter.service.app; print('matplotlib' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)

    assert done.stdout.strip() == "False"
