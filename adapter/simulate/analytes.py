"""In: the name of a laboratory quantity. Out: how the centre's laboratories code and print it, with factors to the
canonical unit.

Codes, units and factors: `eligibility.yaml` (labs); unit spellings: `clarifications.md`.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

D = Decimal
MICRO, MU = "\u00b5", "\u03bc"


@dataclass(frozen=True, slots=True)
class Spelling:
    """One way to print a unit: its text, the UCUM code when sent, the factor to the canonical unit, decimals, and
    the LOINC codes that fit.
    """

    text: str
    code: str | None
    factor: Decimal
    digits: int
    loinc: tuple[str, ...]

    def printed(self, canonical: Decimal) -> Decimal:
        """The number as this unit prints it."""
        return (canonical / self.factor).quantize(D(1).scaleb(-self.digits))


@dataclass(frozen=True, slots=True)
class Analyte:
    """A laboratory quantity; levels are canonical ranges, for `relative` ones multiples of the upper limit `uln`."""

    name: str
    local: str
    title: str
    spellings: tuple[Spelling, ...]
    levels: dict[str, tuple[Decimal, Decimal]]
    slip: tuple[str, str]
    relative: bool = False
    uln: Decimal = Decimal(0)
    ambiguous: tuple[str, str] | None = None


def _spell(text: str, code: str | None, factor: str, digits: int, *loinc: str) -> Spelling:
    return Spelling(text, code, D(factor), digits, loinc)


def _levels(**ranges: str) -> dict[str, tuple[Decimal, Decimal]]:
    found = {}
    for name, text in ranges.items():
        low, _, high = text.partition(" ")
        found[name.replace("_", "-")] = (D(low), D(high or low))
    return found


def _counts(digits: int, *loinc: str) -> tuple[Spelling, ...]:
    billions = (("10*9/L", "10*9/L"), ("G/L", "10*9/L"), ("G/L", None), ("Giga/L", None), ("10^9/L", None))
    more = (("10\u2079/L", None), ("x10(9)/L", None), ("10*3/uL", "10*3/uL"))
    singles = (("/mm3", None), ("/mm\u00b3", None), (f"/{MICRO}l", None), ("/uL", "/uL"))
    return (
        *(_spell(text, code, "1", digits, *loinc) for text, code in billions + more),
        *(_spell(text, code, "0.001", 0, *loinc) for text, code in singles),
    )


def _micromoles(loinc: str, digits: int) -> tuple[Spelling, ...]:
    forms = (
        ("umol/L", "umol/L"),
        (f"{MICRO}mol/L", "umol/L"),
        (f"{MICRO}mol/L", None),
        (f"{MU}mol/L", None),
        ("umol/l", None),
    )
    return tuple(_spell(text, code, "1", digits, loinc) for text, code in forms)


def _enzyme(*loinc: str) -> tuple[Spelling, ...]:
    forms = (("U/L", "U/L"), ("UI/L", "U/L"), ("UI/L", None), ("U/l", None), ("UI/l", None), ("UI/L", "[iU]/L"))
    return (
        *(_spell(text, code, "1", 0, *loinc) for text, code in forms),
        _spell("ukat/L", "ukat/L", "60", 2, *loinc),
        _spell("nkat/L", "nkat/L", "0.06", 0, *loinc),
    )


HEMOGLOBIN = Analyte(
    name="hemoglobin",
    local="HB",
    title="Hémoglobine",
    spellings=(
        _spell("g/dL", "g/dL", "1", 1, "718-7"),
        _spell("g/L", "g/L", "0.1", 0, "718-7"),
        _spell("g/dl", None, "1", 1, "718-7"),
        _spell("g/100ml", None, "1", 1, "718-7"),
        _spell("g/L", None, "0.1", 0, "718-7"),
    ),
    levels=_levels(good="10.2 15.6", mid="8.4 9.8", bad="5.4 7.8", edge_good="8.1", edge_bad="8"),
    slip=("121", "g/dL"),
    ambiguous=("7.5", "mmol/L"),
)
NEUTROPHILS = Analyte(
    name="neutrophils",
    local="PNN",
    title="Polynucléaires neutrophiles",
    spellings=_counts(2, "26499-4", "751-8"),
    levels=_levels(
        good="1.7 6.5", bad="0.3 1.4", edge_good="1.5", edge_bad="1.49", usual="1.1 6", grade_3="0.5", grade_4="0.49"
    ),
    slip=("2300", "G/L"),
)
PLATELETS = Analyte(
    name="platelets",
    local="PLQ",
    title="Plaquettes",
    spellings=_counts(0, "777-3"),
    levels=_levels(
        good="92 410",
        normal="165 400",
        bad="18 77",
        edge_good="80",
        edge_bad="79",
        usual="64 330",
        low="61",
        grade_3="25",
        grade_4="24",
    ),
    slip=("143000", "G/L"),
)
LEUKOCYTES = Analyte(
    name="leukocytes",
    local="GB",
    title="Leucocytes",
    spellings=_counts(2, "6690-2"),
    levels=_levels(good="3.2 9.8", bad="1.2 2.8", edge_good="3", usual="2.2 9", grade_3="1", grade_4="0.99"),
    slip=("5400", "G/L"),
)
LYMPHOCYTES = Analyte(
    name="lymphocytes",
    local="LYM",
    title="Lymphocytes",
    spellings=_counts(2, "26474-7"),
    levels=_levels(good="0.9 3.4", bad="0.3 0.7", edge_good="0.8", usual="0.4 2.5", grade_3="0.2", grade_4="0.15"),
    slip=("1400", "G/L"),
)
CREATININE = Analyte(
    name="creatinine",
    local="CREA",
    title="Créatinine",
    spellings=(
        *_micromoles("14682-9", 0),
        _spell("mg/L", "mg/L", "8.84", 1, "2160-0"),
        _spell("mg/L", None, "8.84", 1, "2160-0"),
        _spell("mg/dL", "mg/dL", "88.4", 2, "2160-0"),
        _spell("mmol/L", "mmol/L", "1000", 3, "14682-9"),
    ),
    levels={},
    slip=("9", "umol/L"),
)
MDRD = Analyte(
    name="egfr_mdrd_reported",
    local="DFGM",
    title="DFG estimé (MDRD)",
    spellings=(
        _spell("mL/min/{1.73_m2}", "mL/min/{1.73_m2}", "1", 0, "77147-7"),
        _spell("mL/min/1,73m\u00b2", None, "1", 0, "77147-7"),
        _spell("ml/min/1.73m2", None, "1", 0, "77147-7"),
    ),
    levels=_levels(good="48 105", bad="11 36", edge_good="40", edge_bad="39"),
    slip=("0", "mL/min/1,73m\u00b2"),
)
ALT = Analyte(
    name="alt",
    local="ALAT",
    title="ALAT (TGP)",
    spellings=_enzyme("1742-6", "1743-4"),
    levels=_levels(good="0.4 2.3", mid="2.7 4.7", bad="5.4 9.5", edge_good="2.5", edge_mid="5"),
    slip=("0", "UI/L"),
    relative=True,
    uln=D(40),
)
AST = Analyte(
    name="ast",
    local="ASAT",
    title="ASAT (TGO)",
    spellings=_enzyme("1920-8", "30239-8"),
    levels=_levels(good="0.4 2.3", mid="2.7 4.7", bad="5.4 9.5", edge_good="2.5", edge_mid="5"),
    slip=("0", "UI/L"),
    relative=True,
    uln=D(40),
)
BILIRUBIN = Analyte(
    name="bilirubin_total",
    local="BILT",
    title="Bilirubine totale",
    spellings=(
        *_micromoles("14631-6", 0),
        _spell("mg/L", "mg/L", "1.71", 0, "1975-2"),
        _spell("mg/dL", "mg/dL", "17.1", 1, "1975-2"),
    ),
    levels=_levels(good="0.3 1.4", mid="1.6 2.3", bad="2.8 8", edge_good="2.5"),
    slip=("0.2", "umol/L"),
    relative=True,
    uln=D(18),
)
ALBUMIN = Analyte(
    name="albumin",
    local="ALB",
    title="Albumine",
    spellings=(
        _spell("g/L", "g/L", "1", 0, "1751-7"),
        _spell("g/dL", "g/dL", "10", 1, "1751-7"),
        _spell("g/dl", None, "10", 1, "1751-7"),
    ),
    levels=_levels(good="33 47", bad="17 28", edge_good="30", edge_bad="29"),
    slip=("3.9", "g/L"),
)
FASTING = Analyte(
    name="glucose_fasting",
    local="GLYJ",
    title="Glycémie à jeun",
    spellings=(
        _spell("mmol/L", "mmol/L", "1", 1, "14771-0"),
        _spell("g/L", "g/L", "5.55", 2, "1558-6"),
        _spell("mg/dL", "mg/dL", "0.0555", 0, "1558-6"),
    ),
    levels=_levels(good="0.65 1.8", bad="2.2 3.4", edge_good="2"),
    slip=("95", "mmol/L"),
    relative=True,
    uln=D("6.1"),
)
GLUCOSE = Analyte(
    name="glucose",
    local="GLY",
    title="Glycémie",
    spellings=(_spell("mmol/L", "mmol/L", "1", 1, "14749-6"), _spell("mmol/L", None, "1", 1, "14749-6")),
    levels=_levels(good="0.65 1.8", bad="2.2 3.4", edge_good="2"),
    slip=("95", "mmol/L"),
    relative=True,
    uln=D("6.1"),
)
TP = Analyte(
    name="tp_percent",
    local="TP",
    title="Taux de prothrombine",
    spellings=(_spell("%", "%", "1", 0, "5894-1"),),
    levels=_levels(good="72 118", bad="35 64", edge_good="70", edge_bad="69", high="125 135"),
    slip=("0", "%"),
)
INR = Analyte(
    name="inr",
    local="INR",
    title="INR",
    spellings=(_spell("{INR}", "{INR}", "1", 2, "6301-6"),),
    levels=_levels(good="0.9 1.15", bad="1.5 3.2", edge_good="1.2", edge_bad="1.21"),
    slip=("0", "{INR}"),
)
QUICK = Analyte(
    name="prothrombin_seconds",
    local="TQ",
    title="Temps de Quick",
    spellings=(_spell("s", "s", "1", 1, "5902-2"),),
    levels=_levels(good="11 13.5", bad="17 28", edge_good="14", edge_bad="14.1"),
    slip=("0", "s"),
)
