"""How much every model that answers reads of what it is given."""

from bertwright.model.folder import ModelFolder


def longest(folder: ModelFolder, wanted: int | None) -> int:
    """Tokens that a model reads of a text at most: as many as are wanted, else as in training.

    Raises:
        UsageError: It has fewer positions than are wanted.
    """
    if wanted is not None:
        folder.config.check_length(wanted)
    return wanted or min(folder.tokenizer.max_length, folder.config.max_position_embeddings)
