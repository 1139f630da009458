"""What a BERT is made of: `BertConfig`, the size presets, and `config.json` as Hugging Face writes it.

A `config.json` describes sizes and names, nothing that runs: keys that would make another architecture are
refused by name, all other unknown keys are ignored. Knows nothing of tensors.
"""

import difflib
import reprlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self, get_args

from bertwright.errors import ModelFolderError, UsageError
from bertwright.files import read_json

PRESETS: Mapping[str, tuple[int, int]] = MappingProxyType(
    {
        "tiny": (2, 128),
        "mini": (4, 256),
        "small": (4, 512),
        "medium": (8, 512),
        "base": (12, 768),
        "large": (24, 1024),
    }
)
"""Layers and hidden size by name (Devlin et al. 2019; the small ones: Turc et al. 2019, arXiv 1908.08962)."""

ACTIVATIONS = ("gelu", "gelu_new", "gelu_pytorch_tanh", "relu")
PROBLEM_TYPES = ("single_label_classification", "multi_label_classification", "regression")

# Keys that make another model than ours, each with the value that leaves it a plain BERT.
_PLAIN: Mapping[str, object] = MappingProxyType(
    {
        "model_type": "bert",
        "position_embedding_type": "absolute",
        "is_decoder": False,
        "is_encoder_decoder": False,
        "add_cross_attention": False,
        "pruned_heads": {},
        "per_layer_config": {},
        "quantization_config": {},
        "auto_map": {},  # names Python files to run
    }
)
_SIZES = (
    "vocab_size",
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "intermediate_size",
    "max_position_embeddings",
    "type_vocab_size",
)
_RATES = (
    "hidden_dropout_prob",
    "attention_probs_dropout_prob",
    "classifier_dropout",
    "initializer_range",
    "layer_norm_eps",
)
# Far beyond any BERT, and a bound on what a damaged or hostile file can make us allocate.
_LARGEST_SIZE = 10_000_000
_MOST_LAYERS = 1_000
_MOST_PARAMETERS = 10_000_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class BertConfig:
    """Sizes, rates and labels of a BERT, under Hugging Face's names and with its defaults.

    Attributes:
        hidden_act: One of `ACTIVATIONS`; `gelu_new` and `gelu_pytorch_tanh` are the same function.
        classifier_dropout: Dropout before a head; None stands for `hidden_dropout_prob`.
        pad_token_id: Only kept for other programs: tokens are flat here, and nothing is padded.
        labels: Names of the classes in the order of the logits; empty where there are none.
        problem_type: One of `PROBLEM_TYPES`, or None. As to transformers, a sequence classifier of one output that says
            nothing else is a regression.
        task: What a task needs for its answers and Hugging Face has no name for; stored under the key `bertwright`.
        architecture: transformers' class for the weights in the folder that this was read from, if it says so. No part
            of what a BERT is: `to_dict` is told the class of what is written.

    Raises:
        ValueError: A value is out of range or does not fit another one; the text names both.
    """

    vocab_size: int = 30522
    hidden_size: int = 768
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    intermediate_size: int = 3072
    hidden_act: str = "gelu"
    hidden_dropout_prob: float = 0.1
    attention_probs_dropout_prob: float = 0.1
    classifier_dropout: float | None = None
    max_position_embeddings: int = 512
    type_vocab_size: int = 2
    initializer_range: float = 0.02
    layer_norm_eps: float = 1e-12
    pad_token_id: int | None = 0
    labels: tuple[str, ...] = ()
    problem_type: str | None = None
    task: Mapping[str, Any] = field(default_factory=dict)
    architecture: str | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        self._check_numbers()
        self._check_names()

    @classmethod
    def preset(cls, name: str, *, vocab_size: int) -> Self:
        """Return the config of a size in `PRESETS`: heads of 64, a feed-forward layer 4 times as wide.

        Raises:
            UsageError: There is no such preset.
        """
        if name not in PRESETS:
            near = difflib.get_close_matches(name, PRESETS, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(PRESETS)}"
            raise UsageError(f"no size preset {name!r}: {hint}")
        layers, hidden = PRESETS[name]
        return cls(
            vocab_size=vocab_size,
            hidden_size=hidden,
            num_hidden_layers=layers,
            num_attention_heads=hidden // 64,
            intermediate_size=4 * hidden,
        )

    def check_length(self, max_length: int) -> None:
        """See that texts of `max_length` tokens can be read.

        Raises:
            UsageError: There are fewer positions than that.
        """
        positions = self.max_position_embeddings
        if max_length > positions:
            raise UsageError(f"max_length = {max_length} is more than the model reads: it has {positions} positions")

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """Read a Hugging Face `config.json`.

        Raises:
            ModelFolderError: It cannot be read, a value is wrong, or it describes something else than a BERT.
        """
        content = read_json(path, ModelFolderError)
        if not isinstance(content, dict):
            raise ModelFolderError(f"{path} holds no JSON object")
        for key, plain in _PLAIN.items():
            value = content.get(key)
            if value is not None and value != plain:
                found = f"{key} is {reprlib.repr(value)}, not {plain!r}"
                raise ModelFolderError(f"{path} does not describe a BERT that can be read here: {found}")
        try:
            return cls(**_known_values(content))
        except (ValueError, OverflowError) as error:
            raise ModelFolderError(f"{path}: {error}") from error

    def to_dict(self, architecture: str) -> dict[str, Any]:
        """Return the content of a `config.json` that transformers (4.57 and 5) reads without a remark.

        Args:
            architecture: The class of transformers for the weights, such as "BertForSequenceClassification".
        """
        content: dict[str, Any] = {"architectures": [architecture], "model_type": "bert", "dtype": "float32"}
        content |= {name: getattr(self, name) for name in _FILE_TYPES}
        if self.labels:
            content["id2label"] = {str(index): label for index, label in enumerate(self.labels)}
            content["label2id"] = {label: index for index, label in enumerate(self.labels)}
        if self.task:
            content[_OURS] = dict(self.task)
        return content

    @property
    def parameter_count(self) -> int:
        """Number of weights in the encoder and the pooler; a head comes on top."""
        hidden, inner = self.hidden_size, self.intermediate_size
        embeddings = (self.vocab_size + self.max_position_embeddings + self.type_vocab_size + 2) * hidden
        square = hidden * hidden + hidden
        layer = 4 * square + (hidden * inner + inner) + (inner * hidden + hidden) + 4 * hidden
        return embeddings + self.num_hidden_layers * layer + square

    def _check_numbers(self) -> None:
        for name in _SIZES:
            if not 1 <= getattr(self, name) <= _LARGEST_SIZE:
                size = reprlib.repr(getattr(self, name))
                raise ValueError(f"{name} is {size}, it must be between 1 and {_LARGEST_SIZE}")
        for name in _RATES:
            rate = getattr(self, name)
            if rate is not None and not 0 <= rate < 1:
                raise ValueError(f"{name} is {rate}, it must be at least 0 and below 1")
        if self.hidden_size % self.num_attention_heads:
            sizes = f"hidden_size is {self.hidden_size}, num_attention_heads {self.num_attention_heads}"
            raise ValueError(f"{sizes}: the first must be a multiple of the second")
        if self.pad_token_id is not None and not 0 <= self.pad_token_id < self.vocab_size:
            raise ValueError(f"pad_token_id is {self.pad_token_id}, outside the vocabulary of {self.vocab_size}")
        if self.num_hidden_layers > _MOST_LAYERS:
            raise ValueError(f"num_hidden_layers is {self.num_hidden_layers}, it must be at most {_MOST_LAYERS}")
        if self.parameter_count > _MOST_PARAMETERS:
            raise ValueError(f"the sizes make {self.parameter_count:,} parameters, more than {_MOST_PARAMETERS:,}")

    def _check_names(self) -> None:
        if self.hidden_act not in ACTIVATIONS:
            raise ValueError(f"hidden_act is {self.hidden_act!r}, it must be one of {', '.join(ACTIVATIONS)}")
        if self.problem_type is not None and self.problem_type not in PROBLEM_TYPES:
            raise ValueError(f"problem_type is {self.problem_type!r}, it must be one of {', '.join(PROBLEM_TYPES)}")
        for index, label in enumerate(self.labels):
            if not isinstance(label, str) or not label.strip():
                raise ValueError(f"label {index} is {label!r}, it must be a name")
        if twice := [label for label, times in Counter(self.labels).items() if times > 1]:
            raise ValueError(f"two labels are named {twice[0]!r}")


_OURS = "bertwright"
_FILE_TYPES = MappingProxyType(
    {f.name: f.type for f in fields(BertConfig) if f.name not in ("labels", "task", "architecture")}
)


def _known_values(content: Mapping[str, Any]) -> dict[str, Any]:
    values = {name: _typed(name, kind, content[name]) for name, kind in _FILE_TYPES.items() if name in content}
    labels, architecture = _labels(content), _architecture(content)
    if len(labels) == 1 and architecture == "BertForSequenceClassification" and values.get("problem_type") is None:
        values["problem_type"] = "regression"
    placeholders = tuple(f"LABEL_{index}" for index in range(len(labels)))  # what transformers calls no names
    labels = () if labels == placeholders else labels
    return {**values, "labels": labels, "task": _task(content), "architecture": architecture}


def _task(content: Mapping[str, Any]) -> Mapping[str, Any]:
    found = content.get(_OURS, {})
    if not isinstance(found, dict):
        raise ValueError(  # noqa: TRY004  (as any other value that is wrong here)
            f"{_OURS} is {reprlib.repr(found)}, it must be an object"
        )
    return found


def _architecture(content: Mapping[str, Any]) -> str | None:
    """Return the first of `architectures`; transformers writes one."""
    found = content.get("architectures") or [None]
    if not isinstance(found, list) or not isinstance(found[0], str | None):
        raise ValueError(  # noqa: TRY004  (as any other value that is wrong here)
            f"architectures is {reprlib.repr(found)}, it must be a list of names"
        )
    return found[0]


def _typed(name: str, kind: Any, value: object) -> object:
    """Check a JSON value against a field's annotation: an integer may be a float, a bool is no number."""
    allowed = get_args(kind) or (kind,)
    if type(value) is int and float in allowed:
        return float(value)
    if type(value) not in allowed:
        wanted = " or ".join("null" if t is type(None) else t.__name__ for t in allowed)
        raise ValueError(f"{name} is {reprlib.repr(value)}, it must be {wanted}")
    return value


def _labels(content: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of `id2label` (or of `label2id` alone) in the order of their numbers."""
    names = content.get("id2label")
    if names is None and isinstance(content.get("label2id"), dict):
        names = {str(index): name for name, index in content["label2id"].items()}
    if names is None:
        return ()
    if not isinstance(names, dict) or names.keys() != {str(index) for index in range(len(names))}:
        raise ValueError(f"id2label is {reprlib.repr(names)}, it must give a name to each of the numbers from 0")
    return tuple(names[str(index)] for index in range(len(names)))
