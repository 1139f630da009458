"""The best path of tags through each chain of words, by what each tag and each step is worth (Viterbi 1967).

Knows no names of tags and learns nothing.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence


def best_paths(
    emissions: Float[Tensor, "Q C"],
    lengths: Int[Tensor, " B"],
    starts: Float[Tensor, " C"],
    ends: Float[Tensor, " C"],
    transitions: Float[Tensor, "C C"],
) -> Int[Tensor, " Q"]:
    """The tags of the path with the highest sum in each chain.

    Args:
        emissions: What each tag of Q words is worth, chain by chain.
        lengths: How many words each of B chains has.
        starts: What each tag is worth at the beginning of a chain; minus infinity where it may not stand there.
        ends: The same at the end.
        transitions: The same from the tag of the row to that of the column.
    """
    padded, present = padded_chains(emissions, lengths)
    score, came_from = starts + padded[:, 0], []
    for place in range(1, padded.shape[1]):
        best, tag = (score.unsqueeze(2) + transitions).max(1)
        here = present[:, place, None]
        score = torch.where(here, best + padded[:, place], score)
        came_from.append(torch.where(here, tag, torch.arange(tag.shape[1], device=tag.device)))
    path = [(score + ends).argmax(1)]
    for tag in reversed(came_from):
        path.append(tag.gather(1, path[-1].unsqueeze(1)).squeeze(1))
    return torch.stack(path[::-1], 1)[present]


def padded_chains(flat: Tensor, lengths: Int[Tensor, " B"]) -> tuple[Tensor, Bool[Tensor, "chains S"]]:
    """Each chain that has words in a row of its own, and where in it there are words."""
    sizes = lengths[lengths > 0]
    if not len(sizes):
        return flat.new_zeros((0, 1, *flat.shape[1:])), lengths.new_zeros((0, 1), dtype=torch.bool)
    padded = pad_sequence(list(torch.split(flat, sizes.tolist())), batch_first=True)
    present = torch.arange(padded.shape[1], device=sizes.device) < sizes.unsqueeze(1)
    return padded, present
