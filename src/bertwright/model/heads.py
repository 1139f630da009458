"""Heads on the encoder: hidden states → logits. Knows no loss and no label names."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from bertwright.model.config import BertConfig
from bertwright.model.crf import Crf
from bertwright.model.dropout import Dropout
from bertwright.model.encoder import ACTIVATIONS, Bert
from bertwright.model.flat import FlatTokens

CRF = "crf"
"""Under this name the config of a task says that there is one, and the tensors of it are stored."""


class Headed(nn.Module):
    """An encoder with a head that transformers has a class for; its name is `architecture`."""

    architecture: str
    bert: Bert


class SequenceClassifier(Headed):
    """Pooler, dropout, linear: logits for each sequence; transformers' `BertForSequenceClassification`."""

    architecture = "BertForSequenceClassification"

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.bert = Bert(config)
        self.classifier = nn.Linear(config.hidden_size, len(config.labels))
        self.dropout = _before_head(config)

    def forward(self, tokens: FlatTokens) -> Float[Tensor, "B C"]:
        """Logits of the C classes."""
        dropout = Dropout(tokens.ids.device, training=self.training)
        logits: Tensor = self.classifier(dropout(self.bert.pooled(tokens), self.dropout))
        return logits


class TokenClassifier(Headed):
    """Dropout, linear: logits for each token that is read; transformers' `BertForTokenClassification`.

    Attributes:
        crf: What makes paths of tags of the logits, where the config has one; transformers passes it over.
    """

    architecture = "BertForTokenClassification"

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.bert = Bert(config, pooler=False)
        self.crf = Crf(len(config.labels)) if config.task.get(CRF) else None
        self.classifier = nn.Linear(config.hidden_size, len(config.labels))
        self.dropout = _before_head(config)

    def forward(self, tokens: FlatTokens, read: Int[Tensor, " Q"]) -> Float[Tensor, "Q C"]:
        """Logits of the C tags at the flat places `read`, which are ascending."""
        dropout = Dropout(tokens.ids.device, training=self.training)
        logits: Tensor = self.classifier(dropout(self.bert(tokens, read), self.dropout))
        return logits


class SpanFinder(Headed):
    """Linear: how likely an answer begins, or ends, at each token; transformers' `BertForQuestionAnswering`."""

    architecture = "BertForQuestionAnswering"

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.bert = Bert(config, pooler=False)
        self.qa_outputs = nn.Linear(config.hidden_size, 2)

    def forward(self, tokens: FlatTokens, read: Int[Tensor, " Q"]) -> Float[Tensor, "Q 2"]:
        """Logits of beginning and of ending at the flat places `read`, which are ascending."""
        logits: Tensor = self.qa_outputs(self.bert(tokens, read))
        return logits


class MultipleChoice(Headed):
    """Pooler, dropout, linear: one logit for each sequence; transformers' `BertForMultipleChoice`."""

    architecture = "BertForMultipleChoice"

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.bert = Bert(config)
        self.classifier = nn.Linear(config.hidden_size, 1)
        self.dropout = _before_head(config)

    def forward(self, tokens: FlatTokens) -> Float[Tensor, " B"]:
        """How well each sequence fits; sequences of one question are rivals."""
        dropout = Dropout(tokens.ids.device, training=self.training)
        logits: Tensor = self.classifier(dropout(self.bert.pooled(tokens), self.dropout))
        return logits.squeeze(1)


def _before_head(config: BertConfig) -> float:
    """Dropout before a head."""
    return config.hidden_dropout_prob if config.classifier_dropout is None else config.classifier_dropout


class PredictionTransform(nn.Module):
    """Dense layer, activation, layer norm: hidden states on their way back to the vocabulary."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.dense = nn.Linear(config.hidden_size, config.hidden_size)
        self.activation = ACTIVATIONS[config.hidden_act]
        self.LayerNorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)

    def forward(self, hidden: Float[Tensor, "M H"]) -> Float[Tensor, "M H"]:
        """LayerNorm(activation(dense(hidden)))."""
        normed: Tensor = self.LayerNorm(self.activation(self.dense(hidden)))
        return normed


class Predictions(nn.Module):
    """The masked language model's head; its decoder is the matrix of word embeddings (Devlin et al. 2019)."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.transform = PredictionTransform(config)
        self.bias = nn.Parameter(torch.zeros(config.vocab_size))

    def forward(self, hidden: Float[Tensor, "M H"], embeddings: Float[Tensor, "V H"]) -> Float[Tensor, "M V"]:
        """Logits of all tokens of the vocabulary."""
        return functional.linear(self.transform(hidden), embeddings, self.bias)


class PreTrainingHeads(nn.Module):
    """What Hugging Face stores under `cls.`: the masked language model's head, and that of pairs if there is one."""

    def __init__(self, config: BertConfig, *, pairs: bool) -> None:
        super().__init__()
        self.predictions = Predictions(config)
        self.seq_relationship = nn.Linear(config.hidden_size, 2) if pairs else None


class PreTraining(Headed):
    """The encoder with the heads of pre-training; transformers' `BertForPreTraining`, or `BertForMaskedLM`.

    Args:
        config: Sizes.
        pairs: Whether it also tells if the second segment of a pair is what follows the first.
    """

    def __init__(self, config: BertConfig, *, pairs: bool = True) -> None:
        super().__init__()
        self.bert = Bert(config, pooler=pairs)
        self.cls = PreTrainingHeads(config, pairs=pairs)
        self.architecture = "BertForPreTraining" if pairs else "BertForMaskedLM"

    def forward(
        self, tokens: FlatTokens, masked_positions: Int[Tensor, " M"]
    ) -> tuple[Float[Tensor, "M V"], Float[Tensor, "B 2"] | None]:
        """Logits of the vocabulary at the masked positions alone, and of the two kinds of pairs.

        Args:
            tokens: What to read.
            masked_positions: Flat places, ascending, none of them a sequence's first.
        """
        read, order = torch.cat([tokens.starts.to(masked_positions.dtype), masked_positions]).sort()
        hidden = self.bert(tokens, read)
        cls, masked = hidden[order.argsort()].split([len(tokens), len(masked_positions)])
        vocabulary = self.cls.predictions(masked, self.bert.embeddings.word_embeddings.weight)
        if self.cls.seq_relationship is None or self.bert.pooler is None:
            return vocabulary, None
        return vocabulary, self.cls.seq_relationship(self.bert.pooler(cls))
