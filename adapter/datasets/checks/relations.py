"""In: a package. Out: what is wrong between its datasets: subjects, arms, trial design, RELREC, supplemental qualifiers."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal, InvalidOperation

from adapter.datasets.checks.telling import Checking, column
from adapter.datasets.model import Cell, Dataset, Package

__all__ = ["check_relations"]

#: Where a variable must have a value of another dataset's variable.
_DESIGN = (
    ("DM", "ARMCD", "TA", "ARMCD"),
    ("DM", "ACTARMCD", "TA", "ARMCD"),
    ("SE", "ETCD", "TE", "ETCD"),
    ("TA", "ETCD", "TE", "ETCD"),
    ("IE", "IETESTCD", "TI", "IETESTCD"),
)
#: An element that was not planned (SDTMIG 5.3, SE).
_UNPLANNED = "UNPLAN"


def check_relations(package: Package, checking: Checking) -> None:
    """Subjects in DM, arms explained and designed, targets of RELREC and of supplemental qualifiers."""
    datasets = {one.name: one for one in package.datasets}
    _subjects(datasets, checking)
    _arms(datasets, checking)
    for name, variable, target, key in _DESIGN:
        if name in datasets and target in datasets:
            allowed = set(column(datasets[target], key) or ()) | {None, _UNPLANNED}
            for cell in column(datasets[name], variable) or ():
                if cell not in allowed:
                    checking.tell("design-target-missing", name, variable)
    index = _Index(datasets)
    for dataset in package.datasets:
        if dataset.name == "RELREC":
            _relrec(dataset, index, checking)
        elif dataset.name.startswith("SUPP"):
            _targets(dataset, index, "supp-target-missing", checking)


def _subjects(datasets: dict[str, Dataset], checking: Checking) -> None:
    demographics = Counter(column(datasets["DM"], "USUBJID") or []) if "DM" in datasets else Counter()
    for subject, count in demographics.items():
        if count > 1:
            checking.tell("subject-twice-in-dm", "DM", "USUBJID", subject=subject)
    for dataset in datasets.values():
        for subject in set(column(dataset, "USUBJID") or ()) - {None}:
            if subject not in demographics:
                checking.tell("subject-not-in-dm", dataset.name, "USUBJID", subject=subject)


def _arms(datasets: dict[str, Dataset], checking: Checking) -> None:
    if "DM" not in datasets:
        return
    arms, reasons = column(datasets["DM"], "ARMCD"), column(datasets["DM"], "ARMNRS")
    subjects = column(datasets["DM"], "USUBJID")
    if arms is None or reasons is None or subjects is None:
        return
    for subject, arm, reason in zip(subjects, arms, reasons, strict=True):
        if arm is None and reason is None:
            checking.tell("arm-unexplained", "DM", "ARMCD", subject=subject)


class _Index:
    """The values of a dataset's variable by subject, made once."""

    def __init__(self, datasets: dict[str, Dataset]) -> None:
        self._datasets = datasets
        self._made: dict[tuple[str, str], set[tuple[Cell, str]] | None] = {}

    def has(self, domain: Cell, subject: Cell, variable: Cell, value: Cell) -> bool:
        """There is a record: of that subject and value; without a value, of that subject; without either, a variable."""
        name = str(variable or "USUBJID")
        values = self._values(str(domain), name)
        if values is None:
            return False
        if value is None and (variable is not None or subject is None):
            return subject is None
        wanted = subject if variable is None else value
        return (subject, _plain(wanted)) in values

    def _values(self, domain: str, name: str) -> set[tuple[Cell, str]] | None:
        if (domain, name) not in self._made:
            dataset = self._datasets.get(domain)
            cells = column(dataset, name) if dataset else None
            if dataset is None or cells is None:
                self._made[domain, name] = None
            else:
                subjects = column(dataset, "USUBJID") or [None] * len(cells)
                self._made[domain, name] = {
                    (subject, _plain(cell)) for subject, cell in zip(subjects, cells, strict=True) if cell is not None
                }
        return self._made[domain, name]


def _plain(cell: Cell) -> str:
    """A number as ``IDVARVAL`` writes it."""
    if isinstance(cell, Decimal):
        return format(cell.normalize(), "f")
    try:
        return format(Decimal(str(cell)).normalize(), "f")
    except InvalidOperation:
        return str(cell)


def _targets(dataset: Dataset, index: _Index, code: str, checking: Checking) -> None:
    columns = [
        column(dataset, name) or [None] * len(dataset.rows) for name in ("RDOMAIN", "USUBJID", "IDVAR", "IDVARVAL")
    ]
    for domain, subject, variable, value in zip(*columns, strict=True):
        if not index.has(domain, subject, variable, value):
            checking.tell(code, dataset.name, "IDVARVAL", subject=subject)


def _relrec(dataset: Dataset, index: _Index, checking: Checking) -> None:
    _targets(dataset, index, "relrec-target-missing", checking)
    subjects = column(dataset, "USUBJID") or [None] * len(dataset.rows)
    relations = column(dataset, "RELID") or [None] * len(dataset.rows)
    for (subject, _), count in Counter(zip(subjects, relations, strict=True)).items():
        if count == 1:
            checking.tell("relrec-alone", dataset.name, "RELID", subject=subject)
