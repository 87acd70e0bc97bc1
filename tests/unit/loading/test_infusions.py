"""In: rows of infusions. Out: `Infusion`s with all that was told, or the column that is wrong."""

from __future__ import annotations

from decimal import Decimal

import pytest

from adapter.loading.columns import COLUMNS
from adapter.store import Store
from mappings.entities import (
    AminoAcids,
    Batch,
    Coding,
    Extravasation,
    Identifier,
    Infusion,
    InfusionStatus,
    Interruption,
)
from tests.unit.loading.making import infusion, infusions_of, load_csv, reasons, table


def test_row_becomes_the_infusion_that_it_tells(store: Store) -> None:
    template = {column.name: column.examples[0] for column in COLUMNS["infusions"]}
    load_csv(store, "infusions", table(template))

    assert infusions_of(store)["EXAMPLE-I1"] == Infusion(
        id=Identifier(system="urn:reluth:site:icm:infusion", value="EXAMPLE-I1"),
        patient=Identifier(system="urn:example:patient", value="EXAMPLE-1"),
        product=Coding(system="http://www.whocc.no/atc", code="V10XX04", display="lutetium (177Lu) oxodotreotide"),
        status=InfusionStatus.COMPLETED,
        product_text="LUTATHERA 370 MBq/mL",
        start="2025-07-10T10:30:00+02:00",
        end="2025-07-10T11:00:00+02:00",
        course=2,
        cycle=1,
        prescribed=Decimal(7400),
        administered=Decimal("7385.5"),
        calibrated=Decimal(7400),
        calibration_time="2025-07-10T12:00:00+02:00",
        batch=Batch(number="EXAMPLE-BATCH", expires="2025-07-12T14:00:00+02:00"),
        route=Coding(system="http://snomed.info/sct", code="47625008", display="Intravenous route"),
        body_site="avant-bras gauche",
        rate=Decimal(46),
        amino_acids=AminoAcids(
            product="Lysine 2.5 % / arginine 2.5 %",
            start="2025-07-10T10:00:00+02:00",
            end="2025-07-10T14:00:00+02:00",
            volume=Decimal(1000),
        ),
        interruptions=(
            Interruption(start="2025-07-10T10:40:00+02:00", end="2025-07-10T10:45:00+02:00", reason="example: nausea"),
        ),
        extravasation=Extravasation(occurred=False),
        subject="EXAMPLE-0001",
        performer=Identifier(system="urn:example:practitioners", value="EXAMPLE-NP1"),
        note="synthetic example",
    )


def test_infusion_of_few_words_is_loaded(store: Store) -> None:
    load_csv(store, "infusions", table(infusion(extravasation="oui", extravasation_note="peu")))
    found = infusions_of(store)["I1"]

    assert (found.extravasation, found.batch, found.interruptions) == (
        Extravasation(occurred=True, note="peu"),
        None,
        (),
    )


@pytest.mark.parametrize(
    ("wrong", "column", "kind", "said"),
    [
        ({"id": ""}, "id", "empty", "is missing"),
        ({"patient": ""}, "patient", "empty", "is missing"),
        ({"product": ""}, "product", "empty", "is missing"),
        ({"product": "V10  XX04"}, "product", "text", "a code is wanted"),
        ({"product_system": "ATC"}, "product_system", "code-like", "absolute URI"),
        ({"status": ""}, "status", "empty", "is missing"),
        ({"status": "fini"}, "status", "code-like", "allowed"),
        ({"status": "stopped"}, "status_reason", "empty", "is wanted for stopped"),
        ({"start": "10/07/2025"}, "start", "date-like", "YYYY-MM-DD"),
        ({"start": ""}, "start", "empty", "is wanted"),
        ({"end": "2025-07-09"}, "end", "date-like", "before the beginning"),
        ({"planned": "2025-07-10"}, "planned", "date-like", "not done only"),
        ({"cycle": "III"}, "cycle", "code-like", "whole number"),
        ({"cycle": "0"}, "cycle", "number", "from 1"),
        ({"prescribed": "7,400"}, "prescribed", "number", "semicolons"),
        ({"administered": "0"}, "administered", "number", "above 0"),
        ({"administered": "1" * 40}, "administered", "number", "too many digits"),
        ({"calibrated": "7400"}, "calibration_time", "empty", "belong together"),
        ({"id": "\u200eI1"}, "id", "code-like", "not seen"),
        ({"batch_number": "2,5E+11"}, "batch_number", "number", "shortened"),
        ({"performer": "1,0E+10", "performer_system": "urn:x"}, "performer", "number", "shortened"),
        ({"batch_expires": "2025-07-12"}, "batch_number", "empty", "is missing"),
        ({"batch_number": "B1", "batch_expires": "juillet"}, "batch_expires", "code-like", "YYYY-MM-DD"),
        ({"route_display": "Intraveineuse"}, "route", "empty", "is missing"),
        ({"route": "1", "route_system": "SNOMED"}, "route_system", "code-like", "absolute URI"),
        ({"amino_volume": "1000"}, "amino_product", "empty", "is missing"),
        ({"amino_product": "Lysine", "amino_start": "2025-07"}, "amino_start", "date-like", "whole date"),
        ({"amino_product": "L", "amino_start": "2025-07-10", "amino_volume": "9" * 40}, "amino_volume", "number", "digits"),
        ({"interruption_reason": "nausées"}, "interruption_start", "empty", "is missing"),
        ({"interruption_start": "2025-07-10"}, "interruption_start", "date-like", "time of day"),
        ({"interruption_start": "2025-07-09T10:00:00Z"}, "interruption_start", "date-like", "before the beginning"),
        ({"extravasation": "1"}, "extravasation", "number", "yes or no"),
        ({"extravasation_note": "peu"}, "extravasation", "empty", "is missing"),
        ({"performer": "N1"}, "performer_system", "empty", "is missing"),
        ({"performer_system": "urn:x"}, "performer", "empty", "is missing"),
        ({"rate": "-1"}, "rate", "number", "above 0"),
    ],
)  # fmt: skip
def test_wrong_cell_is_named_and_the_other_rows_are_loaded(
    store: Store, wrong: dict[str, str], column: str, kind: str, said: str
) -> None:
    report = load_csv(store, "infusions", table(infusion("I0"), infusion("I1", **wrong), infusion("I2")))

    assert reasons(report) == [(3, column, kind)]
    assert said in report.refused[0].reason
    assert sorted(infusions_of(store)) == ["I0", "I2"]
