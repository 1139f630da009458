"""The model folder: Hugging Face's layout, read and written, so that every program that knows a BERT knows it.

`config.json`, `model.safetensors` and the tokenizer's files. Knows nothing of how a model came about (`run/`).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from torch import nn

from bertwright.errors import ModelFolderError
from bertwright.files import make_folder, write_json
from bertwright.model.config import BertConfig
from bertwright.model.heads import Headed
from bertwright.model.weights import WeightsFound, read_weights, write_weights
from bertwright.text.wordpiece import WordPiece

CONFIG = "config.json"


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """A BERT on the disk: its config and tokenizer, and where the weights lie."""

    path: Path
    config: BertConfig
    tokenizer: WordPiece

    @classmethod
    def open(cls, path: Path) -> "ModelFolder":
        """Read config and tokenizer and check that they fit each other.

        Raises:
            ModelFolderError: Something is missing, damaged, or not a BERT.
        """
        if not (path / CONFIG).is_file():
            raise ModelFolderError(f"{path} is not a model folder: it has no {CONFIG}")
        config = BertConfig.from_file(path / CONFIG)
        tokenizer = WordPiece.from_folder(path)
        if tokenizer.vocab_size > config.vocab_size:
            raise ModelFolderError(
                f"{path}: the tokenizer has {tokenizer.vocab_size} tokens but {CONFIG} says vocab_size = "
                f"{config.vocab_size}: they belong to different models"
            )
        return cls(path, config, tokenizer)

    def load_into(self, model: nn.Module, *, replaceable: tuple[str, ...] = ()) -> WeightsFound:
        """Read the weights into `model`; tensors that the folder lacks stay as they were initialised.

        Args:
            model: Made from this folder's config.
            replaceable: Beginnings of names whose tensors may have another shape here, and are then not read.

        Raises:
            ModelFolderError: The encoder is incomplete or a tensor has a wrong shape.
        """
        shapes = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
        found = read_weights(self.path, shapes, replaceable=replaceable)
        model.load_state_dict(found.tensors, strict=False)
        return found


def write_model_folder(
    path: Path,
    model: Headed,
    config: BertConfig,
    tokenizer: WordPiece,
    *,
    weights_format: Literal["safetensors", "bin"] = "safetensors",
) -> None:
    """Write config, weights and tokenizer, each file whole; the config comes last, as without it no folder is a model.

    Raises:
        BertwrightError: The disk is full, or the folder cannot be written.
    """
    make_folder(path)
    (path / CONFIG).unlink(missing_ok=True)  # or a half-written folder could pass for the model that was there
    tokenizer.save(path)
    write_weights(path, model.state_dict(), weights_format=weights_format)
    write_json(path / CONFIG, config.to_dict(model.architecture))
