"""In: a chart without identity and a story's wishes. Out: Patient resources (FR Core identifiers, merged records)
and the truth of I01.

Names and streets are lists of common French words combined at random. The INS has a correct key, but a commune
number that no department has, so that it is nobody's.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from random import Random
from typing import Any

from adapter.simulate.chart import Chart
from adapter.simulate.kleene import Truth
from adapter.simulate.moments import month_end, plus_months, written
from adapter.simulate.terms import (
    FR_IDENTIFIER_TYPE,
    HL7_IDENTIFIER_TYPE,
    INS_NIR,
    LOCAL_IPP,
    coding,
)


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


FAMILIES = _words(
    "Martin Bernard Dubois Thomas Robert Richard Petit Durand Leroy Moreau Simon Laurent Lefebvre "
    "Michel Garcia David Bertrand Roux Vincent "
    "Fournier Morel Girard André Lefèvre Mercier Dupont Lambert Bonnet François Martinez Legrand "
    "Garnier Faure Rousseau Blanc Guérin Muller "
    "Henry Roussel Nicolas Perrin Morin Mathieu Clément Gauthier Dumont Lopez Fontaine Chevalier Robin "
    "Masson Sanchez Gérard Nguyen Boyer "
    "Denis Lemaire Duval Joly Gautier Roger Roche Roy Noël Meyer Lucas Meunier Jean Pérez Marchand "
    "Dufour Blanchard Colonna Casanova"
)
WOMEN = _words(
    "Marie Jeanne Françoise Monique Catherine Nathalie Isabelle Jacqueline Anne Sylvie Martine "
    "Madeleine Nicole Suzanne Hélène Christine "
    "Marguerite Denise Louise Christiane Valérie Sophie Sandrine Céline Véronique Chantal Annie "
    "Geneviève Camille Léa Manon Chloé"
)
MEN = _words(
    "Jean Pierre Michel André Philippe Alain Louis Bernard Daniel Jacques François Christophe Marcel "
    "Henri Patrick Gérard Georges Éric "
    "Laurent Nicolas Stéphane Frédéric Olivier David Julien Sébastien Pascal Thierry Hugo Lucas Théo Antoine"
)
STREETS = (
    "rue des Lilas",
    "avenue de la Gare",
    "rue du Moulin",
    "chemin des Vignes",
    "impasse du Puits",
    "rue Victor-Hugo",
)
CITIES = (
    ("Montpellier", "34000"),
    ("Nîmes", "30000"),
    ("Béziers", "34500"),
    ("Sète", "34200"),
    ("Ajaccio", "20000"),
    ("Alès", "30100"),
)
DEPARTMENTS = ("34", "30", "11", "66", "12", "48", "13", "2A", "2B", "75", "69", "31")

_BIRTHS = (("full", 88), ("year", 5), ("month", 5), ("absent", 1))
_DECEASED = (("no", 95), ("dateTime", 3), ("boolean", 2))


def age_wanted(rng: Random) -> int:
    """Years of age of an adult oncology patient."""
    return min(max(int(rng.gauss(63, 13)), 19), 94)


def identify(chart: Chart, wishes: Mapping[str, str]) -> Truth:
    """Give the chart its person.

    Args:
        chart: gets sex, birth date bounds.
        wishes: `gender`, `age` (years), `born` (an exact rule), `birth` (how much of the date is
            known), `deceased`, `merge`.

    Returns:
        I01: is the 18th birthday on or before the reference date?
    """
    rng = chart.rng
    gender = wishes.get("gender") or rng.choices(("male", "female", "other", "unknown"), (495, 495, 4, 6))[0]
    born, form = _born(chart, wishes)
    chart.gender = gender
    chart.born = {
        "full": (born, born),
        "month": (born.replace(day=1), month_end(born)),
        "year": (date(born.year, 1, 1), date(born.year, 12, 31)),
        "absent": None,
    }[form]
    person = _person(chart, born, form)
    _records(chart, person, wishes)
    if chart.born is None:
        return "U"
    eldest, youngest = (_majority(day) <= chart.on for day in chart.born)
    return "T" if youngest else "U" if eldest else "F"


def _majority(born: date) -> date:
    """The 18th birthday; 29 February becomes 1 March in a common year."""
    clamped = plus_months(born, 18 * 12)
    return clamped if clamped.day == born.day else clamped + timedelta(days=1)


def _born(chart: Chart, wishes: Mapping[str, str]) -> tuple[date, str]:
    rule = wishes.get("born", "")
    if rule == "18-today":
        return plus_months(chart.on, -18 * 12), "full"
    if rule == "18-tomorrow":
        return plus_months(chart.on + timedelta(days=1), -18 * 12), "full"
    if rule == "year-straddles":
        return date(chart.on.year - 18, 12, 31), "year"
    if rule == "month-straddles":
        return plus_months(chart.on, -18 * 12), "month"
    age = int(wishes["age"]) if "age" in wishes else age_wanted(chart.rng)
    # Half a year from any birthday: the age is the wished one on every day of the windows.
    spread = 150 if "age" in wishes else 364
    born = plus_months(chart.on, -12 * age) - timedelta(days=chart.rng.randrange(40, spread))
    form = wishes.get("birth") or (
        "full" if chart.calm else chart.rng.choices([name for name, _ in _BIRTHS], [weight for _, weight in _BIRTHS])[0]
    )
    return born, form


def _person(chart: Chart, born: date, form: str) -> dict[str, Any]:
    rng = chart.rng
    names = MEN if chart.gender == "male" else WOMEN
    city, code = rng.choice(CITIES)
    person: dict[str, Any] = {
        "name": [{"use": "official", "family": rng.choice(FAMILIES).upper(), "given": [rng.choice(names)]}],
        "address": [
            {
                "use": "home",
                "line": [f"{rng.randrange(1, 120)} {rng.choice(STREETS)}"],
                "city": city,
                "postalCode": code,
                "country": "FRA",
            }
        ],
        "gender": chart.gender,
    }
    if form != "absent":
        person["birthDate"] = {"full": born.isoformat(), "month": born.isoformat()[:7], "year": str(born.year)}[form]
    return person


def _records(chart: Chart, person: dict[str, Any], wishes: Mapping[str, str]) -> None:
    rng, survivor = chart.rng, chart.ids[0]
    merge = wishes.get("merge") or ("none" if chart.calm or rng.random() > 0.02 else rng.choice(("both", "old", "new")))
    kept: dict[str, Any] = {"identifier": _identifiers(chart, 0), "active": True, **person}
    dead = wishes.get("deceased") or (
        "no" if chart.calm else rng.choices([name for name, _ in _DECEASED], [weight for _, weight in _DECEASED])[0]
    )
    if dead == "dateTime":
        kept["deceasedDateTime"] = written(chart.day(1), 1200)
    elif dead == "boolean":
        kept["deceasedBoolean"] = True
    elif rng.random() < 0.3:
        kept["deceasedBoolean"] = False
    if merge != "none":
        old = f"{survivor}-old"
        chart.ids.append(old)
        replaced: dict[str, Any] = {"identifier": _identifiers(chart, 1), "active": False, **person}
        if merge in ("both", "old"):
            replaced["link"] = [{"other": {"reference": f"Patient/{survivor}"}, "type": "replaced-by"}]
        if merge in ("both", "new"):
            kept["link"] = [{"other": {"reference": f"Patient/{old}"}, "type": "replaces"}]
        chart.add("Patient", replaced, day=chart.day(500), identity=old)
    if wishes.get("twin"):
        kept["link"] = [{"other": {"reference": f"Patient/{wishes['twin']}"}, "type": "seealso"}]
    chart.add("Patient", kept, day=chart.day(30), identity=survivor)


def _identifiers(chart: Chart, nth: int) -> list[dict[str, Any]]:
    own = {
        "use": "usual",
        "type": {"coding": [coding(HL7_IDENTIFIER_TYPE, "PI")]},
        "system": LOCAL_IPP,
        "value": ipp(chart.key, nth),
    }
    if chart.rng.random() < 0.2:
        return [own]
    national = {
        "use": "official",
        "type": {"coding": [coding(FR_IDENTIFIER_TYPE, "INS-NIR")]},
        "system": INS_NIR,
        "value": ins(chart.rng, gender=str(chart.gender), born=(chart.born or (date(1950, 1, 1),))[0]),
    }
    return [national, own]


def ipp(key: str, nth: int = 0) -> str:
    """The hospital's own number of a record; `nth` counts the records that were merged into it."""
    return f"{nth}{int(key[1:7]):08d}"


def ins(rng: Random, *, gender: str, born: date) -> str:
    """Fifteen characters with a correct key, in a commune number above any in use (910 to 989): a number that nobody
    bears.
    """
    department = rng.choice(DEPARTMENTS)
    sex = "1" if gender == "male" else "2"
    body = (
        f"{sex}{born.year % 100:02d}{born.month:02d}{department}{rng.randrange(910, 990)}{rng.randrange(1, 1000):03d}"
    )
    digits = body.replace("2A", "19", 1) if department == "2A" else body
    digits = digits.replace("2B", "18", 1) if department == "2B" else digits
    return f"{body}{97 - int(digits) % 97:02d}"
