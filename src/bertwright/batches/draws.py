"""Random numbers as pure functions of where they are used: (seed, epoch, example, place) → 64 bits.

Each number is a hash of its key (SplitMix64's finaliser, Steele, Lea and Flood 2014), so a thousand of them are
one vectorised expression, none depends on another, and going on at any place needs no state and no replay. Integer
arithmetic alone decides them: the same on every machine, for ever.
"""

import math
from collections.abc import Callable

import numpy as np
from jaxtyping import Float64, Int64, UInt64

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_ROUNDS = 8  # of the Feistel network: four make it pseudo-random (Luby and Rackoff 1988), eight also when it is tiny

Bits = UInt64[np.ndarray, "*shape"]


def bits(*key: int | np.ndarray) -> Bits:
    """64 random bits for each key; the numbers of a key may be arrays, which broadcast."""
    mixed: np.ndarray = np.zeros((), np.uint64)
    with np.errstate(over="ignore"):
        for part in key:
            mixed = _mix(mixed + _GOLDEN + np.asarray(part).astype(np.uint64))
    return np.asarray(mixed)


def uniform(*key: int | np.ndarray) -> Float64[np.ndarray, "*shape"]:
    """Numbers in [0, 1), with 53 bits."""
    return np.asarray((bits(*key) >> np.uint64(11)).astype(np.float64) * 2.0**-53)


def below(limit: int | np.ndarray, *key: int | np.ndarray) -> Int64[np.ndarray, "*shape"]:
    """Whole numbers from 0 to limit - 1; limits are below 2**32, where the bias of a product is under 2**-20."""
    return np.asarray((uniform(*key) * limit).astype(np.int64))


def permuted(places: Int64[np.ndarray, "*shape"], count: int, *key: int) -> Int64[np.ndarray, "*shape"]:
    """What a random permutation of 0 to count - 1 has at `places`, without making it: the cost is that of `places`.

    A Feistel network permutes the next power of four; places that it sends beyond `count` are sent on until they
    come back (cycle walking: Black and Rogaway 2002).
    """
    assert count > 0, "nothing to permute"
    half = max(3, math.ceil(math.log2(max(count, 2)) / 2))
    keys = bits(*key, np.arange(_ROUNDS))
    found = np.array(places, dtype=np.uint64, ndmin=1)
    outside = np.ones(found.shape, dtype=bool)
    while outside.any():
        found[outside] = _feistel(found[outside], half, lambda right, turn: bits(keys[turn], right))
        outside = found >= count
    return found.astype(np.int64).reshape(np.shape(places))


def _feistel(values: Bits, half: int, scramble: Callable[[Bits, int], Bits]) -> Bits:
    shift, mask = np.uint64(half), np.uint64((1 << half) - 1)
    left, right = values >> shift, values & mask
    for turn in range(_ROUNDS):
        left, right = right, left ^ (scramble(right, turn) & mask)
    joined: Bits = (left << shift) | right
    return joined


def _mix(values: np.ndarray) -> np.ndarray:
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    values ^= values >> np.uint64(31)
    return values
