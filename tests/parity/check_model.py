"""Hold our model against the transformers of this interpreter, both ways: folders, logits, gradients; prints figures.

The suite does so with the newest transformers (`test_transformers_model.py`). For another version:

    python -m venv other && other/bin/pip install . "transformers==4.57.6"
    other/bin/python tests/parity/check_model.py [MODEL_FOLDER TEXTS.tsv]
"""

import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import transformers
from check_transformers import assert_same_ids, curious_texts, small_vocabulary
from torch import Tensor

from bertwright.batches.batch import collate
from bertwright.model.config import BertConfig
from bertwright.model.flat import FlatTokens
from bertwright.model.folder import ModelFolder, write_model_folder
from bertwright.model.heads import SequenceClassifier
from bertwright.tasks.classification import Classification
from bertwright.tasks.texts import LabelledBatch
from bertwright.text.wordpiece import WordPiece

LOGITS, GRADIENTS = 1e-5, 1e-4
"""The largest difference of a logit, and of a gradient relative to its own length."""

LABELS = ("no", "yes", "vielleicht")
# Odd, pairwise different sizes, with each activation.
CONFIGS: dict[str, dict[str, Any]] = {
    "gelu": {"hidden_size": 24, "num_attention_heads": 3, "num_hidden_layers": 5, "intermediate_size": 37},
    "gelu_new": {"hidden_size": 35, "num_attention_heads": 5, "num_hidden_layers": 1, "intermediate_size": 22},
    "relu": {"hidden_size": 26, "num_attention_heads": 2, "num_hidden_layers": 3, "intermediate_size": 51},
}
AT_ONCE = 13

transformers.utils.logging.disable_progress_bar()
transformers.utils.logging.set_verbosity_error()


@dataclass
class Texts:
    """Texts, or pairs of texts, and where they are cut off."""

    texts: Sequence[str]
    pairs: Sequence[str] | None = None
    max_length: int = 128

    def first(self, count: int) -> "Texts":
        return Texts(self.texts[:count], self.pairs and self.pairs[:count], self.max_length)


@dataclass
class Both:
    """One model folder as read by either library, without dropout."""

    folder: ModelFolder
    ours: SequenceClassifier
    peer: Any
    peer_tokenizer: Any
    figures: dict[str, float] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> "Both":
        """Read it; no tensor may be missing or left over, and labels and sizes must be the same."""
        folder = ModelFolder.open(path)
        ours = SequenceClassifier(folder.config).eval()
        assert folder.load_into(ours).describe() is None
        peer, remarks = transformers.AutoModelForSequenceClassification.from_pretrained(path, output_loading_info=True)
        assert not any(remarks.values()), remarks
        assert peer.config.id2label == dict(enumerate(folder.config.labels))
        assert peer.config.label2id == {label: place for place, label in enumerate(folder.config.labels)}
        assert peer.state_dict().keys() == ours.state_dict().keys()
        return cls(folder, ours, peer.eval(), transformers.AutoTokenizer.from_pretrained(path))

    def check_logits(self, rows: Texts) -> None:
        """Same tokens, and logits and pooled states within `LOGITS`; ours read them shuffled, in flat batches."""
        assert_same_ids(self.folder.tokenizer, self.peer_tokenizer, rows.texts, rows.pairs, rows.max_length)
        encoded = self.folder.tokenizer.encode(rows.texts, rows.pairs, max_length=rows.max_length)
        order = np.random.default_rng(0).permutation(len(encoded))
        batches = [collate(encoded, order[start : start + AT_ONCE]) for start in range(0, len(order), AT_ONCE)]
        with torch.no_grad():
            for tokens in batches:
                self._note("logits", self.ours(tokens) - self.peer(**padded(tokens)).logits, LOGITS)
            peer_pooled = self.peer.bert(**padded(batches[0])).pooler_output
            self._note("pooled", self.ours.bert.pooled(batches[0]) - peer_pooled, LOGITS)

    def check_gradients(self, rows: Texts) -> None:
        """The gradient of the mean loss for every parameter within `GRADIENTS` of its length."""
        encoded = self.folder.tokenizer.encode(rows.texts, rows.pairs, max_length=rows.max_length)
        tokens = collate(encoded, np.arange(len(encoded)))
        labels = torch.arange(len(tokens)) % len(self.folder.config.labels)
        task, batch = Classification(self.folder.config.labels), LabelledBatch(tokens, labels)
        loss = task.losses(self.ours, batch)["loss"] / task.counts(batch)["loss"]
        peer_loss = self.peer(**padded(tokens), labels=labels).loss
        self._note("loss", (loss - peer_loss).detach(), LOGITS)
        self._note(
            "gradients", largest_difference(gradients(self.ours, loss), gradients(self.peer, peer_loss)), GRADIENTS
        )

    def _note(self, name: str, differences: Tensor | float, limit: float) -> None:
        largest = differences if isinstance(differences, float) else float(differences.abs().max())
        assert largest <= limit, f"{name} differ by {largest}"
        self.figures[name] = max(self.figures.get(name, 0.0), largest)


def padded(tokens: FlatTokens) -> dict[str, Tensor]:
    """A flat batch as transformers reads it."""
    lengths = tokens.cu_seqlens.diff().tolist()
    ids, segments = (
        torch.nn.utils.rnn.pad_sequence(flat.split(lengths), batch_first=True) for flat in (tokens.ids, tokens.segments)
    )
    mask = torch.arange(tokens.max_seqlen) < tokens.cu_seqlens.diff()[:, None]
    return {"input_ids": ids, "token_type_ids": segments, "attention_mask": mask.long()}


def gradients(model: torch.nn.Module, loss: Tensor) -> dict[str, Tensor]:
    """Of every parameter, dense."""
    model.zero_grad()
    loss.backward()
    return {name: parameter.grad.to_dense() for name, parameter in model.named_parameters()}


def largest_difference(mine: dict[str, Tensor], theirs: dict[str, Tensor], *idle: str) -> float:
    """Of a parameter's gradient, relative to its length.

    A key's bias moves all scores of a query alike, so its gradient is 0 but for rounding, which is measured by a
    hundredth of the whole gradient; and so are those whose names end in `idle`.
    """
    assert mine.keys() == theirs.keys()
    whole = torch.cat([grad.flatten() for grad in theirs.values()]).norm()
    shifts = ("key.bias", *idle)
    lengths = {name: 0.01 * whole if name.endswith(shifts) else grad.norm() for name, grad in theirs.items()}
    return max(float((mine[name] - grad).norm() / lengths[name]) for name, grad in theirs.items())


def written_by_transformers(folder: Path, peer: Any, vocabulary: Path) -> Path:
    """Write a model with its tokenizer as its user would."""
    peer.save_pretrained(folder)
    transformers.AutoTokenizer.from_pretrained(vocabulary).save_pretrained(folder)
    return folder


def written_by_us(folder: Path, read: Both, weights_format: Literal["safetensors", "bin"] = "safetensors") -> Path:
    """Write what was read; with "bin", leave that file alone."""
    config, tokenizer = read.folder.config, read.folder.tokenizer
    write_model_folder(folder, read.ours, config, tokenizer, weights_format=weights_format)
    if weights_format == "bin":
        (folder / "model.safetensors").unlink()
    return folder


def random_model(folder: Path, activation: str, max_length: int) -> Path:
    """A folder of transformers' with a random model of odd sizes, norms and biases random as well."""
    torch.manual_seed(0)
    tokens = small_vocabulary(curious_texts(100))
    (folder / "vocabulary").mkdir()
    WordPiece.from_tokens(tokens, max_length=max_length).save(folder / "vocabulary")
    config = BertConfig(
        vocab_size=len(tokens) + 7,
        hidden_act=activation,
        max_position_embeddings=max_length,
        type_vocab_size=4,
        labels=LABELS,
        **CONFIGS[activation],
    )
    peer = transformers.BertForSequenceClassification(
        transformers.BertConfig(**config.to_dict("BertForSequenceClassification"))
    )
    for parameter in peer.parameters():
        parameter.data += torch.empty_like(parameter).uniform_(-0.3, 0.3)
    return written_by_transformers(folder / "theirs", peer, folder / "vocabulary")


def fresh_classifier(folder: Path, pretrained: Path) -> Path:
    """A folder of transformers' with a pre-trained encoder and a new head, as fine-tuning starts from."""
    torch.manual_seed(0)
    peer = transformers.AutoModelForSequenceClassification.from_pretrained(
        pretrained, id2label=dict(enumerate(LABELS)), label2id={label: place for place, label in enumerate(LABELS)}
    )
    return written_by_transformers(folder / "theirs", peer, pretrained)


def check_both_ways(folder: Path, theirs: Path, rows: Sequence[Texts]) -> dict[str, float]:
    """Compare on what transformers wrote, then on what we write; returns the largest differences."""
    first = Both.read(theirs)
    for some in rows:
        first.check_logits(some)
        first.check_gradients(some.first(7))
    for path in (written_by_us(folder / "ours", first), written_by_us(folder / "ours-bin", first, "bin")):
        again = Both.read(path)
        assert again.folder.config == first.folder.config
        for name, tensor in first.ours.state_dict().items():
            assert torch.equal(tensor, again.ours.state_dict()[name]), name
            assert torch.equal(tensor, again.peer.state_dict()[name]), name
        for some in rows:
            again.check_logits(some.first(AT_ONCE))
    return first.figures


def main() -> None:
    print(f"transformers {transformers.__version__}, torch {torch.__version__}")
    texts = curious_texts(60)
    for activation in CONFIGS:
        with tempfile.TemporaryDirectory() as folder:
            theirs = random_model(Path(folder), activation, max_length=41)
            rows = [Texts(texts, max_length=41), Texts(texts, texts[::-1], max_length=41)]
            print(activation, check_both_ways(Path(folder), theirs, rows))
    if len(sys.argv) == 3:
        pretrained, table = map(Path, sys.argv[1:])
        lines = [line.split("\t")[0] for line in table.read_text("utf-8").splitlines()[:100]]
        with tempfile.TemporaryDirectory() as folder:
            theirs = fresh_classifier(Path(folder), pretrained)
            print(pretrained, check_both_ways(Path(folder), theirs, [Texts(lines), Texts(lines, lines[::-1])]))
    print("OK")


if __name__ == "__main__":
    main()
