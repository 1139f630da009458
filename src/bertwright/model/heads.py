"""Heads on the encoder: hidden states → logits. Knows no loss and no label names."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from bertwright.model.config import BertConfig
from bertwright.model.dropout import Dropout
from bertwright.model.encoder import ACTIVATIONS, Bert
from bertwright.model.flat import FlatTokens


class SequenceClassifier(nn.Module):
    """Pooler, dropout, linear: logits for each sequence; transformers' `BertForSequenceClassification`."""

    architecture = "BertForSequenceClassification"

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.bert = Bert(config)
        self.classifier = nn.Linear(config.hidden_size, len(config.labels))
        given = config.classifier_dropout
        self.dropout = config.hidden_dropout_prob if given is None else given

    def forward(self, tokens: FlatTokens) -> Float[Tensor, "B C"]:
        """Logits of the C classes."""
        dropout = Dropout(tokens.ids.device, training=self.training)
        logits: Tensor = self.classifier(dropout(self.bert.pooled(tokens), self.dropout))
        return logits


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


class PreTraining(nn.Module):
    """The encoder with the heads of pre-training; transformers' `BertForPreTraining`, or `BertForMaskedLM`.

    Args:
        config: Sizes.
        pairs: Whether it also tells if the second segment of a pair is what follows the first.
    """

    def __init__(self, config: BertConfig, *, pairs: bool = True) -> None:
        super().__init__()
        self.bert = Bert(config, pooler=pairs)
        self.cls = PreTrainingHeads(config, pairs=pairs)

    @property
    def architecture(self) -> str:
        """The name of transformers' class for these heads."""
        return "BertForMaskedLM" if self.cls.seq_relationship is None else "BertForPreTraining"

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
