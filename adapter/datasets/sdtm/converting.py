"""In: a number as received with its unit, as expressions. Out: a closure that gives it in the analyte's own unit or another one of its.

Factors are those of terminology/analytes.yaml, or written in the document; all exact decimals.
"""

from __future__ import annotations

from decimal import Context, Decimal
from typing import Any, Final

from adapter.datasets.sdtm.documents import Read
from adapter.datasets.sdtm.expressions import Compiled, Scope, compile_value, place_of
from adapter.datasets.sdtm.frame import Fn, Frame
from adapter.datasets.sdtm.numbers import number_of, plain, shortened
from adapter.errors import DefectError
from adapter.terminology import Analyte, Node, UnitProblem, Units

__all__ = ["compile_convert", "compile_unit"]

_EXACT: Final = Context(prec=50)
_FINDINGS: Final = {"no-unit": "without-unit", "unknown-unit": "unknown-unit", "ambiguous-unit": "ambiguous-unit"}


def compile_convert(node: Node, scope: Scope) -> Compiled:
    """``{convert: e, analyte: e, unit: [code, text], to: e}``, or with ``factors`` in place of ``analyte``."""
    value = compile_value(node["convert"], scope)
    units, unit_reads = _written(node["unit"], scope)
    quiet_node = node.get("quiet")
    quiet = quiet_node is not None and quiet_node.flag()
    to_node = node.get("to")
    to = compile_value(to_node, scope).fn if to_node is not None else None
    without = node.get("without")
    reads = value.reads | unit_reads
    if "factors" in node:
        analyte = _of_document(node["factors"])

        def known(_: Frame) -> Analyte:
            return analyte
    else:
        named, run = compile_value(node["analyte"], scope).fn, scope.base + 2

        def known(frame: Frame) -> Analyte | None:  # type: ignore[misc]
            name = named(frame)
            return None if name is None else _of_terminology(frame[run].analytes, name)

    findings = {**_FINDINGS, "no-unit": without.text()} if without is not None else _FINDINGS
    made = _Conversion(scope, (value.fn, units), (known, to), None if quiet else findings)
    return Compiled(made, reads, value.deferred)


def compile_unit(node: Node, scope: Scope) -> Compiled:
    """``{unit: [code, text], analyte: e}``: the unit of UCUM that is meant, empty where none was sent or it is not known."""
    units, reads = _written(node["unit"], scope)
    named, base = compile_value(node["analyte"], scope).fn, scope.base

    def unit(frame: Frame) -> Any:
        name = named(frame)
        if name is None:
            return None
        code, text = units(frame)
        if code is None and text is None:
            return None
        known = frame[base].units
        # A feed writes few units, very often; the spellings of a site are one object while a package is made.
        key, meant = (id(known), name, code, text), frame[base + 2].units_meant
        if key not in meant:
            meant[key] = _meant(known, _of_terminology(frame[base + 2].analytes, name), code, text)
        return meant[key]

    return Compiled(unit, reads)


def _meant(known: Units, analyte: Analyte, code: str | None, text: str | None) -> str | None:
    try:
        factor = known.factor(analyte, code=code, text=text)
    except UnitProblem:
        return None
    # Of several units with one factor (U/L and [iU]/L) the one that is coded counts, then the one that is printed.
    meant = [one for one in analyte.factors if analyte.factors[one] == factor]
    for sent in (code, text):
        for one in meant:
            if sent == one or known.spellings.get(sent or "") == one:
                return one
    return meant[0] if meant else None


def _written(node: Node, scope: Scope) -> tuple[Fn, frozenset[Read]]:
    """Of pairs of coded and printed unit, the first of which one is not empty."""
    parts = [compile_value(one, scope) for one in node.elements()]
    if not parts or len(parts) % 2:
        raise node.fault("expected pairs of expressions: the coded unit and the printed one")
    fns = [part.fn for part in parts]
    pairs = list(zip(fns[::2], fns[1::2], strict=True))

    def written(frame: Frame) -> tuple[str | None, str | None]:
        for code, text in pairs:
            found = (code(frame), text(frame))
            if found != (None, None):
                return found
        return None, None

    return written, frozenset[Read]().union(*(part.reads for part in parts))


def _of_document(node: Node) -> Analyte:
    factors = {unit: factor.decimal() for unit, factor in node.items()}
    if not factors or any(factor <= 0 for factor in factors.values()):
        raise node.fault("expected factors above 0, by unit")
    base = next(iter(factors))
    return Analyte(
        id=f"{node.file}{node.pointer}",
        codes=frozenset(),
        unit=base,
        factors=factors,
        plausible=(Decimal(0), Decimal(1)),
        label={},
    )


def _of_terminology(analytes: Any, name: str) -> Analyte:
    found: Analyte | None = analytes.get(name)
    if found is None:
        raise DefectError(f"a table of the SDTM documents names the analyte {name}, which analytes.yaml has not")
    return found


class _Conversion:
    """The closure: a class, since it holds more than reads well in a function's cells."""

    __slots__ = ("_base", "_domain", "_findings", "_known", "_to", "_units", "_value", "_variable")

    def __init__(
        self, scope: Scope, parts: tuple[Fn, Fn], how: tuple[Fn, Fn | None], findings: dict[str, str] | None
    ) -> None:
        self._base, self._domain, self._variable = scope.base, scope.domain, scope.variable
        self._value, self._units = parts
        self._known, self._to = how
        self._findings = findings

    def __call__(self, frame: Frame) -> Decimal | None:
        value = self._value(frame)
        analyte = self._known(frame)
        if value is None or analyte is None:
            return None
        base = self._base
        number = number_of(value)
        if number is None:
            if self._findings is None:
                return None
            frame[base + 2].notes.record("not-a-number", place_of(frame, base, self._domain), self._variable)
            return None
        code, text = self._units(frame)
        try:
            factor = frame[base].units.factor(analyte, code=code, text=text)
        except UnitProblem as problem:
            self._tell(frame, problem.reason, plain(text) or plain(code))
            return None
        target = analyte.factors.get(self._to(frame)) if self._to is not None else None
        if self._to is not None and target is None:
            raise DefectError(f"{analyte.id} has no factor for the unit that an SDTM document wants it in")
        exact = _EXACT.multiply(number, factor)
        return shortened(exact if target is None else _EXACT.divide(exact, target))

    def _tell(self, frame: Frame, reason: str, unit: str | None) -> None:
        if self._findings is None:
            return
        notes, code = frame[self._base + 2].notes, self._findings[reason]
        if reason == "no-unit" or unit is None:
            text = (
                None
                if code == "without-unit"
                else "The value has no unit: it stays as received, the standard value is empty."
            )
            notes.record(code, place_of(frame, self._base, self._domain), self._variable, text=text)
        else:
            notes.value(code, self._domain, self._variable, unit)
