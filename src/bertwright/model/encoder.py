"""The BERT encoder (Devlin et al. 2019) on flat tokens, with Hugging Face's parameter names.

Attributes are named as the tensors on disk, so that `state_dict()` *is* the file's content. Only attention sees
where sequences end; every other layer runs on T flat tokens, so no arithmetic is spent on padding.
Knows no task, no optimizer, no file.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from bertwright.model.attention import Kernel, Spans, plan
from bertwright.model.config import BertConfig
from bertwright.model.dropout import Dropout
from bertwright.model.flat import FlatTokens

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "gelu": functional.gelu,
    "gelu_new": lambda x: functional.gelu(x, approximate="tanh"),
    "gelu_pytorch_tanh": lambda x: functional.gelu(x, approximate="tanh"),
    "relu": functional.relu,
}


class Embeddings(nn.Module):
    """Word + position + segment embeddings, layer norm, dropout."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.word_embeddings = nn.Embedding(config.vocab_size, config.hidden_size)
        self.position_embeddings = nn.Embedding(config.max_position_embeddings, config.hidden_size)
        self.token_type_embeddings = nn.Embedding(config.type_vocab_size, config.hidden_size)
        self.LayerNorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.dropout = config.hidden_dropout_prob

    def forward(self, tokens: FlatTokens, dropout: Dropout) -> Float[Tensor, "T H"]:
        """Hidden states before the first layer."""
        # A sparse gradient holds the batch's own rows: a dense one is mostly zeros, and filling
        # V x H zeros at every step cost 10 to 25 % of fine-tuning on a CPU (docs/log.md).
        words = functional.embedding(tokens.ids, self.word_embeddings.weight, sparse=tokens.ids.device.type == "cpu")
        x = words + self.position_embeddings(tokens.positions) + self.token_type_embeddings(tokens.segments)
        return dropout(self.LayerNorm(x), self.dropout)


class SelfAttention(nn.Module):
    """Projections to query, key and value, and the attention between them."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.heads = config.num_attention_heads
        self.dropout = config.attention_probs_dropout_prob
        self.query = nn.Linear(config.hidden_size, config.hidden_size)
        self.key = nn.Linear(config.hidden_size, config.hidden_size)
        self.value = nn.Linear(config.hidden_size, config.hidden_size)

    def forward(
        self, read: Float[Tensor, "Q H"], x: Float[Tensor, "T H"], attend: Kernel, dropout: Dropout
    ) -> Float[Tensor, "Q H"]:
        """What the tokens of `read` gather from all tokens `x` of their sequences."""
        states = x.to(_compute_type(x))  # once: autocast would cast it for each of the three
        asked = states if read is x else read
        projected = (self.query(asked), self.key(states), self.value(states))
        q, k, v = (rows.unflatten(1, (self.heads, -1)) for rows in projected)
        return attend(q, k, v, dropout, self.dropout).flatten(1)


class Output(nn.Module):
    """Dense layer, dropout, residual, layer norm: the end of both halves of a layer."""

    def __init__(self, config: BertConfig, width: int) -> None:
        super().__init__()
        self.dense = nn.Linear(width, config.hidden_size)
        self.LayerNorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.dropout = config.hidden_dropout_prob

    def forward(
        self, x: Float[Tensor, "Q W"], residual: Float[Tensor, "Q H"], dropout: Dropout
    ) -> Float[Tensor, "Q H"]:
        """LayerNorm(residual + dropout(dense(x)))."""
        normed: Tensor = self.LayerNorm(dropout.add(residual, self.dense(x), self.dropout))
        return normed


class Attention(nn.Module):
    """Self-attention and its output."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.self = SelfAttention(config)
        self.output = Output(config, config.hidden_size)

    def forward(
        self, read: Float[Tensor, "Q H"], x: Float[Tensor, "T H"], attend: Kernel, dropout: Dropout
    ) -> Float[Tensor, "Q H"]:
        """Hidden states of the tokens of `read` after attention."""
        attended: Tensor = self.output(self.self(read, x, attend, dropout), read, dropout)
        return attended


class Intermediate(nn.Module):
    """Dense layer up to F, and the activation."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.dense = nn.Linear(config.hidden_size, config.intermediate_size)
        self.activation = ACTIVATIONS[config.hidden_act]

    def forward(self, x: Float[Tensor, "Q H"]) -> Float[Tensor, "Q F"]:
        """activation(dense(x))."""
        return self.activation(self.dense(x))


class Layer(nn.Module):
    """One transformer layer, normalised after each half as in the original."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.attention = Attention(config)
        self.intermediate = Intermediate(config)
        self.output = Output(config, config.intermediate_size)

    def forward(
        self, read: Float[Tensor, "Q H"], x: Float[Tensor, "T H"], attend: Kernel, dropout: Dropout
    ) -> Float[Tensor, "Q H"]:
        """Hidden states of the tokens of `read`, which attend to all tokens `x`."""
        attended = self.attention(read, x, attend, dropout)
        fed: Tensor = self.output(self.intermediate(attended), attended, dropout)
        return fed


class Stack(nn.Module):
    """The layers; the last one is computed only for the tokens that somebody reads."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.heads = config.num_attention_heads
        self.layer = nn.ModuleList(Layer(config) for _ in range(config.num_hidden_layers))

    def forward(
        self, x: Float[Tensor, "T H"], spans: Spans, read: Int[Tensor, " Q"] | None, dropout: Dropout
    ) -> Float[Tensor, "Q H"]:
        """Hidden states after the last layer, of the tokens at the flat places `read` (all when None)."""
        dtype = _compute_type(x)
        attend = plan(spans, spans, self.heads, dtype)
        for layer in self.layer[:-1]:
            x = layer(x, x, attend, dropout)
        if read is None:
            return self._last(x, x, attend, dropout)
        return self._last(x[read], x, plan(_spans_of(read, spans), spans, self.heads, dtype), dropout)

    def _last(self, read: Tensor, x: Tensor, attend: Kernel, dropout: Dropout) -> Tensor:
        hidden: Tensor = self.layer[-1](read, x, attend, dropout)
        return hidden


def _spans_of(read: Int[Tensor, " Q"], spans: Spans) -> Spans:
    """The sequences' spans among the flat places `read`, which are in ascending order."""
    if len(read) == len(spans) and spans.longest > 1 and torch.equal(read, spans.cu_seqlens[:-1]):
        one_each = torch.arange(len(read) + 1, dtype=torch.int32, device=read.device)
        return Spans(one_each, 1)
    cu_seqlens = torch.searchsorted(read, spans.cu_seqlens.to(read.dtype)).to(torch.int32)
    return Spans(cu_seqlens, int(cu_seqlens.diff().max()))


def _compute_type(x: Tensor) -> torch.dtype:
    """The type in which matrix products run: autocast's where it is on."""
    device = x.device.type
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else x.dtype


class Pooler(nn.Module):
    """tanh(dense([CLS])): what sentence-level heads read."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.dense = nn.Linear(config.hidden_size, config.hidden_size)

    def forward(self, cls: Float[Tensor, "B H"]) -> Float[Tensor, "B H"]:
        """Pooled states of the hidden states of `[CLS]`."""
        return torch.tanh(self.dense(cls))

    def draw(self, norm: nn.LayerNorm) -> None:
        """Draw random weights for hidden states as `norm` gives them out.

        They are orthogonal, and of the size that gives tanh values of variance 1 where what `norm` gives out has the
        mean square of its gains and biases (after Mishkin and Matas 2016, section 3, who measure it on texts). BERT's
        own 0.02 would pass on so little of small hidden states that a head hardly learns from them (docs/log.md).
        """
        size = (norm.weight.detach().square() + norm.bias.detach().square()).mean().sqrt()
        nn.init.orthogonal_(self.dense.weight, gain=1 / size.item())
        nn.init.zeros_(self.dense.bias)


class Bert(nn.Module):
    """Embeddings, layers and pooler: what Hugging Face stores under `bert.`; a masked language model has no pooler."""

    def __init__(self, config: BertConfig, *, pooler: bool = True) -> None:
        super().__init__()
        self.embeddings = Embeddings(config)
        self.encoder = Stack(config)
        self.pooler = Pooler(config) if pooler else None

    def forward(self, tokens: FlatTokens, read: Int[Tensor, " Q"] | None = None) -> Float[Tensor, "Q H"]:
        """Hidden states after the last layer.

        Args:
            tokens: What to read.
            read: Flat places, ascending, whose states are wanted; all T when None. The last layer is computed
                for these alone, which changes no number.
        """
        dropout = Dropout(tokens.ids.device, training=self.training)
        x = self.embeddings(tokens, dropout)
        hidden: Tensor = self.encoder(x, Spans(tokens.cu_seqlens, tokens.max_seqlen), read, dropout)
        return hidden

    def draw_pooler(self) -> None:
        """Draw random weights for a pooler that was never trained, to fit the layers that were."""
        last = self.encoder.layer[-1]
        assert self.pooler is not None
        assert isinstance(last, Layer)
        self.pooler.draw(last.output.LayerNorm)

    def pooled(self, tokens: FlatTokens) -> Float[Tensor, "B H"]:
        """The pooler's output for each sequence."""
        assert self.pooler is not None
        states: Tensor = self.pooler(self(tokens, tokens.starts))
        return states


def initialise(module: nn.Module, std: float) -> None:
    """BERT's initialisation: weights from a normal cut off at two deviations, biases 0, norms 1.

    As `create_initializer` of the original code; transformers draws from a normal that is not cut off.
    """
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.trunc_normal_(module.weight, std=std, a=-2 * std, b=2 * std)
    if isinstance(module, nn.Linear) and module.bias is not None:
        nn.init.zeros_(module.bias)
    if isinstance(module, nn.LayerNorm):
        nn.init.ones_(module.weight)
        nn.init.zeros_(module.bias)
