"""In: nothing. Out: infusions as hypothesis draws them (every field told and not told), and literal ones for examples."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from mappings.entities import (
    AminoAcids,
    Batch,
    Coding,
    EntityError,
    Extravasation,
    Identifier,
    Infusion,
    InfusionStatus,
    Interruption,
)
from tests.support.entity_laboratory import (
    amounts,
    codes,
    codings,
    identifiers,
    maybe,
    moments,
    partial_dates,
    texts,
    written,
)

__all__ = ["LUTATHERA", "full_infusion", "infusions", "sample_infusions"]

LUTATHERA = Coding(system="http://www.whocc.no/atc", code="V10XX04", display="lutetium (177Lu) oxodotreotide")
INTRAVENOUS = Coding(system="http://snomed.info/sct", code="47625008", display="Intravenous route")
OFFSETS = (0, 60, 120, -330, 840)


def _positive() -> st.SearchStrategy[Decimal]:
    return amounts(lowest=0).filter(lambda amount: amount > 0)


_Span = tuple[str, str | None, tuple[Interruption, ...]]


@st.composite
def _spans(draw: st.DrawFn) -> _Span:
    """Beginning and end, each to the day or to the second in an offset of its own, and pauses within."""
    first = draw(st.datetimes(datetime(1901, 1, 3), datetime(2099, 12, 29)))  # noqa: DTZ001 - UTC is put on in `written`
    lasted = draw(st.integers(1, 100_000))
    last = first + timedelta(seconds=lasted)
    start = draw(st.sampled_from([str(first.date() - timedelta(days=1)), _at(draw, first)]))
    end = draw(st.sampled_from([None, str(last.date() + timedelta(days=2)), _at(draw, last)]))
    # Sorted, so that one pause follows another; two may begin and end in one second.
    seconds = sorted(draw(st.lists(st.integers(0, lasted), max_size=6)))
    texts_of = [written(first + timedelta(seconds=at), draw(st.sampled_from(OFFSETS))) for at in seconds]
    pauses = tuple(
        Interruption(start=begins, end=draw(st.sampled_from([None, ends])), reason=draw(maybe(texts())))
        for begins, ends in zip(texts_of[::2], texts_of[1::2], strict=False)
    )
    return start, end, pauses


def _at(draw: st.DrawFn, time: datetime) -> str:
    return written(time, draw(st.sampled_from(OFFSETS)), draw(st.sampled_from(["", ".5", ".250"])))


@st.composite
def infusions(draw: st.DrawFn) -> Infusion:
    """Any infusion that the entity allows."""
    status = draw(st.sampled_from(InfusionStatus))
    done = status is not InfusionStatus.NOT_DONE
    start, end, pauses = draw(_spans())
    calibrated = draw(maybe(_positive()))
    given = _positive() if status is InfusionStatus.COMPLETED else amounts(lowest=0)
    needs_reason = status in (InfusionStatus.NOT_DONE, InfusionStatus.STOPPED)
    amino_start, amino_end, _ = draw(_spans())
    amino = st.builds(
        AminoAcids, product=texts(), start=st.just(amino_start), end=st.just(amino_end), volume=maybe(_positive())
    )
    told: dict[str, Any] = {
        "id": draw(identifiers()),
        "patient": draw(identifiers()),
        "product": draw(codings()),
        "status": status,
        "product_text": draw(maybe(texts())),
        "start": start if done else None,
        "end": end if done else None,
        "planned": None if done else draw(partial_dates() | moments()),
        "course": draw(maybe(st.integers(1, 99))),
        "cycle": draw(maybe(st.integers(1, 99))),
        "prescribed": draw(maybe(_positive())),
        "administered": draw(maybe(given)) if done else None,
        "calibrated": calibrated,
        "calibration_time": draw(moments()) if calibrated is not None else None,
        "batch": draw(maybe(st.builds(Batch, number=texts(), expires=maybe(partial_dates() | moments())))),
        "route": draw(maybe(codings())),
        "body_site": draw(maybe(texts())),
        "rate": draw(maybe(_positive())) if done else None,
        "status_reason": draw(texts()) if needs_reason else draw(maybe(texts())),
        "amino_acids": draw(maybe(amino)) if done else None,
        "interruptions": pauses if done else (),
        "extravasation": draw(maybe(st.builds(Extravasation, occurred=st.booleans(), note=maybe(texts()))))
        if done
        else None,
        "subject": draw(maybe(codes())),
        "performer": draw(maybe(identifiers())),
        "note": draw(maybe(texts())),
    }
    try:
        return Infusion(**told)
    except EntityError as error:
        raise AssertionError(f"the strategy draws what is no infusion: {error}") from error


def full_infusion() -> Infusion:
    """One infusion with all that it may have."""
    return Infusion(
        id=Identifier(system="https://hopital.example/administrations", value="ADM-2025-0710-3"),
        patient=Identifier(system="https://hopital.example/ipp", value="0800147"),
        product=LUTATHERA,
        status=InfusionStatus.COMPLETED,
        product_text="LUTATHERA 370 MBq/mL",
        start="2025-07-10T10:30:00+02:00",
        end="2025-07-10T11:04:00+02:00",
        course=2,
        cycle=3,
        prescribed=Decimal(7400),
        administered=Decimal("7312.0"),
        calibrated=Decimal(7400),
        calibration_time="2025-07-10T12:00:00+02:00",
        batch=Batch(number="LOT-EXAMPLE", expires="2025-07-12T14:00:00+02:00"),
        route=INTRAVENOUS,
        body_site="avant-bras gauche",
        rate=Decimal(46),
        status_reason=None,
        amino_acids=AminoAcids(
            product="Lysine 2,5 % / arginine 2,5 %",
            start="2025-07-10T10:00:00+02:00",
            end="2025-07-10T14:00:00+02:00",
            volume=Decimal(1000),
        ),
        interruptions=(
            Interruption(start="2025-07-10T10:41:00+02:00", end="2025-07-10T10:45:00+02:00", reason="nausées"),
        ),
        extravasation=Extravasation(occurred=True, note="gonflement léger au point de ponction"),
        subject="MTP-001",
        performer=Identifier(system="urn:oid:1.2.250.1.71.4.2.1", value="10000000147"),
        note="Patient informé.",
    )


def sample_infusions() -> list[Infusion]:
    """A dozen and more infusions, each of another kind."""
    common: dict[str, Any] = {
        "id": Identifier(system="https://hopital.example/administrations", value="ADM-1"),
        "patient": Identifier(system="https://hopital.example/ipp", value="0800147"),
        "product": LUTATHERA,
    }
    begun: dict[str, Any] = {**common, "start": "2025-07-10T10:30:00+02:00"}
    done: dict[str, Any] = {**begun, "status": InfusionStatus.COMPLETED, "end": "2025-07-10T11:00:00+02:00"}
    stopped: dict[str, Any] = {**done, "status": InfusionStatus.STOPPED, "status_reason": "malaise"}
    amino = AminoAcids(product="Lysine / arginine", start="2025-07-10")
    return [
        full_infusion(),
        Infusion(**done),
        Infusion(**done, administered=Decimal("7400.0"), batch=Batch(number="L-1")),
        Infusion(**done, rate=Decimal("46.5"), body_site="bras", course=1, cycle=4, amino_acids=amino),
        Infusion(**done, route=INTRAVENOUS, body_site="bras droit", extravasation=Extravasation(occurred=False)),
        Infusion(
            **{**done, "start": "2025-07-10"}, prescribed=Decimal(3700), extravasation=Extravasation(occurred=True)
        ),
        Infusion(
            **{**done, "start": "2025-07-09", "end": "2025-07-10"},
            calibrated=Decimal(8000),
            calibration_time="2025-07-10T06:00:00Z",
        ),
        Infusion(**stopped, administered=Decimal(0), interruptions=(Interruption(start="2025-07-10T10:40:00+02:00"),)),
        Infusion(
            **stopped,
            administered=Decimal("1850.50"),
            extravasation=Extravasation(occurred=True, note="bras"),
            prescribed=Decimal(7400),
        ),
        Infusion(**begun, status=InfusionStatus.IN_PROGRESS, amino_acids=amino, prescribed=Decimal(7400)),
        Infusion(**begun, status=InfusionStatus.ON_HOLD, status_reason="hypotension", subject="MTP-001"),
        Infusion(**begun, status=InfusionStatus.UNKNOWN, amino_acids=amino, course=3, note="dossier repris"),
        Infusion(
            **done | {"status": InfusionStatus.ENTERED_IN_ERROR},
            extravasation=Extravasation(occurred=True),
            amino_acids=amino,
        ),
        Infusion(
            **common, status=InfusionStatus.NOT_DONE, planned="2025-09", status_reason="plaquettes", route=INTRAVENOUS
        ),
        Infusion(
            **common,
            status=InfusionStatus.NOT_DONE,
            planned="2025-09-04T10:30:00+02:00",
            status_reason="refus du patient",
            prescribed=Decimal(7400),
            batch=Batch(number="L-2", expires="2025-09"),
            body_site="bras",
            cycle=4,
        ),
    ]
