"""In: the finished rows of the domains. Out: the rows of SUPP-- and RELREC, which tie them together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from adapter.datasets.model import Cell, CellSource, Dataset, Row, Variable
from adapter.datasets.sdtm.documents import Relation
from adapter.datasets.sdtm.numbers import plain

__all__ = ["Extra", "relation_rows", "supplement_dataset"]


_SUPP_KEYS: Final = ("STUDYID", "RDOMAIN", "USUBJID", "IDVAR", "IDVARVAL", "QNAM")


class Extra(NamedTuple):
    """A supplemental qualifier of one row."""

    usubjid: str
    key: str
    seq: Cell
    name: str
    label: str
    value: str
    origin: str
    evaluator: str | None
    sources: tuple[CellSource, ...] = ()


def supplement_dataset(domain: str, extras: Iterable[Extra], variables: tuple[Variable, ...], study_id: str) -> Dataset:
    """SUPP-- of a domain.

    Args:
        domain: two letters.
        extras: its supplemental qualifiers.
        variables: of all supplemental qualifiers.
        study_id: ``STUDYID``.
    """
    rows = []
    for extra in extras:
        cells: dict[str, Cell] = {
            "STUDYID": study_id,
            "RDOMAIN": domain,
            "USUBJID": extra.usubjid,
            "IDVAR": f"{domain}SEQ" if extra.seq is not None else None,
            "IDVARVAL": plain(extra.seq),
            "QNAM": extra.name,
            "QLABEL": extra.label,
            "QVAL": extra.value,
            "QORIG": extra.origin,
            "QEVAL": extra.evaluator,
        }
        row = Row(
            cells=tuple(cells.get(variable.name) for variable in variables),
            key=f"{extra.key}{'|' if '#' in extra.key else '#'}{extra.name}",
            sources=extra.sources,
        )
        # IDVARVAL is a text, and so it is sorted.
        rows.append((tuple(str(cells[name] or "") for name in _SUPP_KEYS), row))
    return Dataset(
        name=f"SUPP{domain}",
        label=f"Supplemental qualifiers of {domain}",
        domain=domain,
        class_="RELATIONSHIP",
        structure="One record per supplemental qualifier per record of the domain",
        keys=_SUPP_KEYS,
        variables=variables,
        rows=tuple(row for _, row in sorted(rows, key=lambda one: (one[0], one[1].key))),
    )


def relation_rows(
    relations: tuple[Relation, ...], datasets: Mapping[str, Dataset], variables: tuple[Variable, ...], study_id: str
) -> list[Row]:
    """The rows of RELREC: of whole datasets where the relation has types, else of the records that agree."""
    rows: list[dict[str, Cell]] = []
    for relation in relations:
        (left, left_by), (right, right_by) = relation.left, relation.right
        if left not in datasets or right not in datasets:
            continue
        pairs = _common(datasets[left], left_by, datasets[right], right_by)
        if not pairs:
            continue
        if relation.types is not None:
            for domain, by, kind in ((left, left_by, relation.types[0]), (right, right_by, relation.types[1])):
                rows.append({"RDOMAIN": domain, "IDVAR": by, "RELTYPE": kind, "RELID": relation.id})
            continue
        for number, (usubjid, first, second) in enumerate(pairs, start=1):
            for domain, sequences in ((left, first), (right, second)):
                rows.extend(
                    {
                        "RDOMAIN": domain,
                        "USUBJID": usubjid,
                        "IDVAR": f"{domain}SEQ",
                        "IDVARVAL": sequence,
                        "RELID": f"{relation.id}-{number}",
                    }
                    for sequence in sequences
                )
    for row in rows:
        row["STUDYID"] = study_id
    names = ("RDOMAIN", "USUBJID", "IDVAR", "IDVARVAL", "RELID")
    rows.sort(key=lambda row: tuple(str(row.get(name) or "") for name in names))
    return [
        Row(
            cells=tuple(row.get(variable.name) for variable in variables),
            key=f"Relation/{row['RELID']}#{row['RDOMAIN']}|{row.get('IDVARVAL') or ''}",
        )
        for row in rows
    ]


def _common(left: Dataset, left_by: str, right: Dataset, right_by: str) -> list[tuple[str, list[str], list[str]]]:
    """Of subjects and values that both sides have: the sequence numbers of their records."""
    first, second = _sequences(left, left_by), _sequences(right, right_by)
    return [(key[0], first[key], second[key]) for key in sorted(first) if key in second]


def _sequences(dataset: Dataset, by: str) -> dict[tuple[str, str], list[str]]:
    subject, value = dataset.at("USUBJID"), dataset.at(by)
    sequence = dataset.at(f"{dataset.domain}SEQ")
    found: dict[tuple[str, str], list[str]] = {}
    for row in dataset.rows:
        told = plain(row.cells[value])
        if told is not None:
            found.setdefault((str(row.cells[subject]), told), []).append(plain(row.cells[sequence]) or "")
    return found
