"""In: the dataset of the criteria. Out: the same, with the sentences that were cut told whole as value level of Define-XML."""

from __future__ import annotations

import msgspec

from adapter.criteria import Trial
from adapter.datasets.model import Dataset, ValueLevel
from adapter.datasets.sdtm.plain import folded

__all__ = ["with_whole_texts"]

_DOMAIN = "TI"


def with_whole_texts(dataset: Dataset, trial: Trial) -> Dataset:
    """TI with a comment for each criterion whose sentence does not fit into IETEST (SDTMIG 3.4 7.4.1); others as they are."""
    if dataset.name != _DOMAIN:
        return dataset
    place, code = dataset.at("IETEST"), dataset.at("IETESTCD")
    variable = dataset.variables[place]
    sentences = {folded(one.text) for one in trial.criteria}
    values = []
    for row in dataset.rows:
        cell = str(row.cells[place])
        # A sentence that was cut ends in the sign for that, and only one sentence begins like it.
        whole = [one for one in sentences if one.startswith(cell.removesuffix(" ...")) and one != cell]
        if cell not in sentences and len(whole) == 1:
            where = {"IETESTCD": (str(row.cells[code]),)}
            comment = f"The whole sentence: {whole[0]}"
            values.append(ValueLevel(where=where, type="text", length=variable.length, comment=comment))
    told = msgspec.structs.replace(variable, values=tuple(values))
    variables = (*dataset.variables[:place], told, *dataset.variables[place + 1 :])
    return msgspec.structs.replace(dataset, variables=variables)
