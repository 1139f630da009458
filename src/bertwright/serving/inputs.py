"""What every model that answers does with what it is given: texts in memory as rows, and how much of them it reads."""

from collections.abc import Iterator, Sequence

from bertwright.errors import UsageError
from bertwright.model.folder import ModelFolder
from bertwright.text.tables.table import Row


def rows_of(texts: Sequence[str] | str, pairs: Sequence[str] | str | None) -> Iterator[Row]:
    """Texts, or pairs of texts, as rows of a table, numbered from 1.

    Raises:
        UsageError: `pairs` is not as long as `texts`.
    """
    texts = [texts] if isinstance(texts, str) else texts
    pairs = [pairs] if isinstance(pairs, str) else pairs
    if pairs is not None and len(pairs) != len(texts):
        raise UsageError(f"{len(texts)} texts but {len(pairs)} pairs: each text needs its own")
    seconds = [None] * len(texts) if pairs is None else pairs
    return (Row(text, pair, None, line) for line, (text, pair) in enumerate(zip(texts, seconds, strict=True), 1))


def longest(folder: ModelFolder, wanted: int | None) -> int:
    """Tokens that a model reads of a text at most: as many as are wanted, else as in training.

    Raises:
        UsageError: It has fewer positions than are wanted.
    """
    if wanted is not None:
        folder.config.check_length(wanted)
    return wanted or min(folder.tokenizer.max_length, folder.config.max_position_embeddings)
