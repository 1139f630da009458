"""What training starts from: a model folder, a hub name, or sizes (a preset, a config.json) with a vocabulary."""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple, TypeVar

import torch
from torch import nn

from bertwright.errors import UsageError
from bertwright.evaluation.report.record import RANDOM_WEIGHTS
from bertwright.files import sha256_file
from bertwright.model.config import PRESETS, BertConfig
from bertwright.model.encoder import Bert, initialise
from bertwright.model.folder import ModelFolder
from bertwright.model.heads import Headed, PreTraining
from bertwright.model.hub import resolve_model
from bertwright.model.weights import WeightsFound
from bertwright.tasks.kinds import AnyTask
from bertwright.text.wordpiece import WordPiece

HEAD = ("classifier.", "crf.")
"""What tensors are called that are made for certain labels."""
FROM_SCRATCH = "newly initialised: all weights, as --model is a size preset"


class Made(NamedTuple):
    """A model that was made for a task, its config, and one line on what is newly initialised or not used."""

    model: Headed
    config: BertConfig
    notice: str | None


@dataclass(frozen=True, slots=True)
class StartingPoint:
    """Config and tokenizer, and the folder with the weights unless they are to be drawn at random."""

    config: BertConfig
    tokenizer: WordPiece
    folder: ModelFolder | None

    @classmethod
    def find(cls, model: str, vocab: Path | None) -> "StartingPoint":
        """Find out what `model` names.

        Raises:
            UsageError: A preset without a vocabulary, or a vocabulary with a model that has its own.
            ModelFolderError, HubError: The folder is not a BERT, or the name leads nowhere.
        """
        if model in PRESETS and not Path(model).exists():
            if vocab is None:
                raise UsageError(
                    f"--model {model} starts from random weights and needs a vocabulary: pass --vocab FOLDER"
                )
            tokenizer = WordPiece.from_folder(vocab)
            return cls(BertConfig.preset(model, vocab_size=tokenizer.vocab_size), tokenizer, None)
        if vocab is not None:
            raise UsageError(f"--vocab is for size presets ({', '.join(PRESETS)}): {model} has a vocabulary of its own")
        folder = ModelFolder.open(resolve_model(model))
        return cls(folder.config, folder.tokenizer, folder)

    @classmethod
    def for_shards(cls, model: str, tokenizer: WordPiece) -> "StartingPoint":
        """Find out what `model` names, to be trained on ids of `tokenizer`.

        Raises:
            UsageError: The model has another vocabulary, or too small a one.
            ModelFolderError, HubError: The folder is not a BERT, or the name leads nowhere.
        """
        path = Path(model)
        if model in PRESETS and not path.exists():
            return cls(BertConfig.preset(model, vocab_size=tokenizer.vocab_size), tokenizer, None)
        if path.is_file():
            config = BertConfig.from_file(path)
            if config.vocab_size < tokenizer.vocab_size:
                raise UsageError(
                    f"{path}: vocab_size is {config.vocab_size}, and the vocabulary of the shards has "
                    f"{tokenizer.vocab_size} tokens"
                )
            return cls(config, tokenizer, None)
        folder = ModelFolder.open(resolve_model(model))
        check_vocabulary(model, folder.tokenizer, tokenizer)
        return cls(folder.config, folder.tokenizer, folder)

    def origin(self) -> dict[str, str]:
        """Where it lies, and hashes of all that decides the start: config, weights and vocabulary."""
        fingerprint = self.tokenizer.fingerprint
        if self.folder is None:
            sizes = hashlib.sha256(repr(self.config).encode()).hexdigest()
            return {"path": RANDOM_WEIGHTS, "sha256": f"{sizes[:16]} {fingerprint[:16]}"}
        patterns = ("config.json", "*.safetensors", "*.bin")
        files = sorted(path for pattern in patterns for path in self.folder.path.glob(pattern))
        hashes = [sha256_file(path) for path in files] + [fingerprint]
        return {"path": str(self.folder.path), "sha256": " ".join(digits[:16] for digits in hashes)}

    def headed(self, task: AnyTask, *, dropout: float | None, seed: int) -> Made:
        """The model to train for a task; `dropout` is for this training alone, and not in the config that comes out."""
        config = task.configure(replace(self.config, labels=(), task={}))
        torch.manual_seed(seed)
        model = _initialised(task.head(_with_dropout(config, dropout)), config)
        return Made(model, config, FROM_SCRATCH if self.folder is None else self._load(model, config))

    def pretrainer(
        self, *, pairs: bool, dropout: float | None, seed: int
    ) -> tuple[PreTraining, BertConfig, str | None]:
        """The model with the heads of pre-training, its config, and one line on what is new or not used.

        `dropout` is for this training alone: who fine-tunes the model that comes out wants BERT's own again.
        """
        config = replace(self.config, labels=(), problem_type=None, task={})
        torch.manual_seed(seed)
        model = _initialised(PreTraining(_with_dropout(config, dropout), pairs=pairs), config)
        return model, config, None if self.folder is None else self.folder.load_into(model).describe()

    def _load(self, model: Headed, config: BertConfig) -> str | None:
        """Read the weights; a classifier of other labels, or of another kind of them, is left aside."""
        assert self.folder is not None
        same = self.config.labels == config.labels and self.config.problem_type in (None, config.problem_type)
        drawn = {name: tensor.clone() for name, tensor in model.state_dict().items() if name.startswith(HEAD)}
        found = self.folder.load_into(model, replaceable=HEAD)
        if same or not any(name.startswith(HEAD) for name in found.tensors):
            return _notices(model, found)
        model.load_state_dict(drawn, strict=False)
        kept = {name: tensor for name, tensor in found.tensors.items() if not name.startswith(HEAD)}
        rest = _notices(model, replace(found, tensors=kept))  # a tagger has no pooler, and leaves none behind
        said = "newly initialised: classifier (the model's own has other labels)"
        return said if rest is None else f"{said}; {rest}"


def _notices(model: Headed, found: WeightsFound) -> str | None:
    """What of a model starts from random values, and what of its folder is not used.

    A pooler that was never trained is drawn anew where the head that reads it is new too: whoever trains sentence
    embeddings leaves it as it was drawn, and drawn too small for a head to learn from.
    """
    notices = [found.describe()]
    if _untrained(model.bert) and not any(name.startswith(HEAD) for name in found.tensors):
        model.bert.draw_pooler()
        if not any(name.startswith("bert.pooler.") for name in found.missing):
            notices.append("pooler drawn anew: its bias is 0 in the folder, which shows that it was never trained")
    return "; ".join(notice for notice in notices if notice) or None


def _untrained(bert: Bert) -> bool:
    """Whether there is a pooler, and no training has touched it: the first step moves every bias."""
    return bert.pooler is not None and not bert.pooler.dense.bias.any()


def check_vocabulary(name: str | Path, tokenizer: WordPiece, of_shards: WordPiece) -> None:
    """See that shards hold ids of the tokenizer in the folder, or the model, of that name.

    Raises:
        UsageError: They hold those of another one.
    """
    if tokenizer.fingerprint != of_shards.fingerprint:
        raise UsageError(
            f"the vocabulary of {name} ({tokenizer.vocab_size} tokens) is not that of the shards "
            f"({of_shards.vocab_size} tokens): prepare the corpus with --vocab {name}"
        )


ModelT = TypeVar("ModelT", bound=nn.Module)


def _initialised(model: ModelT, config: BertConfig) -> ModelT:
    """The model with BERT's random weights, from torch's stream of random numbers."""
    for module in model.modules():
        initialise(module, config.initializer_range)
    return model


def _with_dropout(config: BertConfig, dropout: float | None) -> BertConfig:
    if dropout is None:
        return config
    return replace(config, hidden_dropout_prob=dropout, attention_probs_dropout_prob=dropout)
