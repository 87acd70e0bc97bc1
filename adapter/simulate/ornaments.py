"""In: a chart. Out: the rest of a hospital record: stays, other diagnoses, injections of somatostatin analogue,
markers. No truth hangs on it, but on the diagnoses, which the chart remembers.
"""

from __future__ import annotations

from datetime import timedelta

from adapter.simulate.chart import Chart, When
from adapter.simulate.diagnoses import diagnose
from adapter.simulate.facts import Diagnosis
from adapter.simulate.infusions import inject_analogue
from adapter.simulate.moments import written
from adapter.simulate.terms import ACT, LOCAL_LAB, LOCAL_STAY, coding

_USUAL = (("I10", 0.2), ("E11", 0.1), ("F17.2", 0.05), ("I48", 0.03), ("F10", 0.01))


def background(chart: Chart) -> None:
    """Write a share of the diagnoses that many people have."""
    for code, share in _USUAL:
        if chart.chance(share):
            diagnose(chart, Diagnosis(code, recorded=chart.day(chart.rng.randrange(30, 2500))))


def adorn(chart: Chart) -> None:
    """Write a stay, and for the patients whom the trial concerns what follows a neuroendocrine tumour."""
    _stay(chart, chart.draw)
    if not chart.neuroendocrine:
        return
    for before in (95, 190, 280):
        if chart.chance(0.6):
            _stay(chart, before)
    first = chart.rng.randrange(5, 33)
    for before in range(first, first + 28 * chart.rng.choice((0, 4, 5, 6)), 28):
        inject_analogue(chart, chart.day(before))
    _markers(chart)


def _markers(chart: Chart) -> None:
    """Chromogranin A under the laboratory's own code: rising or falling, it decides nothing."""
    figure = chart.rng.randrange(80, 400)
    for before in (300, 210, 120, 30):
        figure = figure * chart.rng.randrange(80, 140) // 100
        code = {"coding": [coding(LOCAL_LAB, "CGA", "Chromogranine A")]}
        value = {"valueQuantity": {"value": figure, "unit": "ng/mL"}}
        chart.observe(code, value, when=When(chart.day(before), 470))


def _stay(chart: Chart, before: int) -> None:
    day = chart.day(before)
    body = {
        "identifier": [{"system": LOCAL_STAY, "value": f"7{int(chart.key[1:7]):08d}{before:03d}"}],
        "status": "finished",
        "class": coding(ACT, "AMB", "ambulatory"),
        "subject": chart.subject(),
        "period": {"start": written(day, 450), "end": written(day + timedelta(days=before // 90), 1020)},
        "serviceProvider": {"reference": "Organization/org-centre"},
    }
    chart.add("Encounter", body, day=day, identity=chart.name("enc"))
