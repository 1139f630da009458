"""Heads on the encoder: hidden states → logits. Knows no loss and no label names."""

from jaxtyping import Float
from torch import Tensor, nn

from bertwright.model.config import BertConfig
from bertwright.model.dropout import Dropout
from bertwright.model.encoder import Bert
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
