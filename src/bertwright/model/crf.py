"""A linear-chain conditional random field over the tags of a sentence (Lafferty et al. 2001).

On top of a network, as in Lample et al. (2016, section 2.2): the score of a whole path of tags is the sum of the
network's logits and of what each step from one tag to the next is worth. All is computed in log space, for all chains
of a batch at once, padded to the longest. Knows no names of tags and nothing of texts.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from bertwright.model.viterbi import best_paths, padded_chains


class Crf(nn.Module):
    """What each tag is worth at the beginning, at the end, and after each other one; 0 at first, which favours none.

    Everywhere below `emissions` are the logits of Q words, chain by chain, and `lengths` how many words each of B
    chains has; one without any is passed over.
    """

    def __init__(self, tags: int) -> None:
        super().__init__()
        self.starts = nn.Parameter(torch.zeros(tags))
        self.ends = nn.Parameter(torch.zeros(tags))
        self.transitions = nn.Parameter(torch.zeros(tags, tags))
        """From the tag of the row to that of the column."""

    def losses(
        self, emissions: Float[Tensor, "Q C"], tags: Int[Tensor, " Q"], lengths: Int[Tensor, " B"]
    ) -> Float[Tensor, " chains"]:
        """How improbable the path of the true tags is among all paths: minus the log of its probability."""
        padded, present = padded_chains(emissions, lengths)
        true, _ = padded_chains(tags, lengths)
        total = (self._forward(padded, present)[:, -1] + self.ends).logsumexp(1)
        steps = self.transitions[true[:, :-1], true[:, 1:]] * present[:, 1:]
        read = padded.gather(2, true.unsqueeze(2)).squeeze(2) * present
        last = true.gather(1, present.sum(1, keepdim=True) - 1).squeeze(1)
        return total - (self.starts[true[:, 0]] + read.sum(1) + steps.sum(1) + self.ends[last])

    def marginals(self, emissions: Float[Tensor, "Q C"], lengths: Int[Tensor, " B"]) -> Float[Tensor, "Q C"]:
        """The log of the probability of each tag of each word, over all paths."""
        padded, present = padded_chains(emissions, lengths)
        before = self._forward(padded, present)
        after = [self.ends.expand(len(padded), -1)]
        for place in range(padded.shape[1] - 1, 0, -1):
            behind = padded[:, place] + after[-1]
            further = (self.transitions + behind.unsqueeze(1)).logsumexp(2)
            after.append(torch.where(present[:, place, None], further, after[-1]))
        both = before + torch.stack(after[::-1], 1)
        return both.log_softmax(2)[present]

    def best(self, emissions: Float[Tensor, "Q C"], lengths: Int[Tensor, " B"]) -> Int[Tensor, " Q"]:
        """The tags of the most probable path (Viterbi)."""
        return best_paths(emissions, lengths, self.starts, self.ends, self.transitions)

    def _forward(self, padded: Float[Tensor, "chains S C"], present: Bool[Tensor, "chains S"]) -> Tensor:
        """The log of the summed scores of all paths up to each word that end with each tag; beyond a chain its last."""
        found = [self.starts + padded[:, 0]]
        for place in range(1, padded.shape[1]):
            further = (found[-1].unsqueeze(2) + self.transitions).logsumexp(1) + padded[:, place]
            found.append(torch.where(present[:, place, None], further, found[-1]))
        return torch.stack(found, 1)
