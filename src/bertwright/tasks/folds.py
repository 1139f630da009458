"""Rows dealt out to folds for cross-validation: each stratum evenly, what belongs together to one fold."""

from collections.abc import Sequence
from pathlib import Path
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from bertwright.batches.order import shuffled
from bertwright.errors import DataError
from bertwright.tasks.finetuning import units
from bertwright.text.complaints import counted_are

_FOLDS = 4  # sets this random stream apart from those of order, dropout and the split


def folds(
    path: Path, strata: Sequence[str], count: int, *, seed: int, groups: Sequence[object] = ()
) -> NDArray[np.int64]:
    """The fold of each row, from 1.

    Args:
        path: Where the rows are from, for the error.
        strata: What each row counts as; its label where it has one. Every fold gets its share of each.
        count: How many folds.
        seed: Decides which rows.
        groups: Rows of equal ones are in one fold; without any each row is by itself.

    Raises:
        DataError: There is too little for so many folds.
    """
    unit, names = units(strata, groups)
    if len(names) < count:
        raise DataError(f"{path}: {counted_are(len(names), 'different row')} too few for {count} folds")
    fold = np.empty(len(names), dtype=np.int64)
    dealt = 0
    for stratum in sorted(set(names)):
        places = np.flatnonzero(names == stratum)
        order = places[shuffled(len(places), seed, crc32(stratum.encode()), _FOLDS)]
        fold[order] = (dealt + np.arange(len(order))) % count + 1  # going on where the last stratum ended
        dealt += len(order)
    return fold[unit]
