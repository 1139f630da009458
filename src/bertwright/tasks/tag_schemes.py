"""Tag sequences ↔ entities, in the schemes IO, IOB1, IOB2 (BIO), IOE1, IOE2 and BIOES.

BILOU, BMES and BMEWO are BIOES in other letters. A tag is a letter and a type, `B-PER`, or `O`; one without a letter is
inside an entity: `PER` is `I-PER`. Entities are read by the rule of conlleval, which seqeval has by default: every
sequence has entities, however strange it is, and they do not depend on the scheme. A scheme says no more than which
words of an entity are marked as its first and its last. Knows nothing of files, of texts and of models.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Literal, NamedTuple

Scheme = Literal["IO", "IOB2", "IOB1", "IOE2", "IOE1", "BIOES"]
OUTSIDE = "O"


class Entity(NamedTuple):
    """The words from `start` up to `stop`, which is no longer one of them."""

    type: str
    start: int
    stop: int


class _Tag(NamedTuple):
    type: str
    """Empty outside entities, and only there."""
    is_first: bool = False
    """Whether it marks a word as the first of its entity."""
    is_last: bool = False


_NEVER: frozenset[bool] = frozenset()
_WHERE_TOUCHING = frozenset({True})  # where two entities of one type stand side by side
_ALWAYS = frozenset({True, False})
# When the first word of an entity is marked, and when the last one; in the order in which `scheme_of` prefers them
_MARKED: dict[Scheme, tuple[frozenset[bool], frozenset[bool]]] = {
    "IO": (_NEVER, _NEVER),
    "IOB2": (_ALWAYS, _NEVER),
    "IOB1": (_WHERE_TOUCHING, _NEVER),
    "IOE2": (_NEVER, _ALWAYS),
    "IOE1": (_NEVER, _WHERE_TOUCHING),
    "BIOES": (_ALWAYS, _ALWAYS),
}
_LETTERS = {(False, False): "I", (True, False): "B", (False, True): "E", (True, True): "S"}  # by is_first, is_last
_FIRST, _LAST = "BSUW", "ELSUW"  # L(ast) is E(nd); U(nit) and W(hole) are S(ingle); M(iddle) is I(nside)
_TAG = re.compile("([BIESMLUW])(?:[-_](.*))?", re.DOTALL)
_NO_TYPE = "_"  # seqeval's name for that of a bare `B`


def entities(tags: Sequence[str], scheme: Scheme, strict: bool = False) -> list[Entity]:
    """Return the entities of a sentence, in order.

    Args:
        tags: One tag a word.
        scheme: What `strict` goes by; without that it makes no difference.
        strict: Leave out entities that are not marked as the scheme would mark them, such as one in IOB2 that begins
            with `I-`. For IOB2, IOE2 and BIOES this is seqeval's strict mode.
    """
    parsed = [_parsed(tag) for tag in tags]
    found = list(_runs(parsed))
    if not strict:
        return found
    marked = [_parsed(tag) for tag in tags_of(found, len(tags), scheme)]
    return [entity for entity in found if parsed[entity.start : entity.stop] == marked[entity.start : entity.stop]]


def tags_of(entities: Iterable[Entity], length: int, scheme: Scheme) -> list[str]:
    """Return the tags of a sentence of `length` words with these entities, none of which overlap."""
    entities = list(entities)
    starts = {(entity.type, entity.start) for entity in entities}
    stops = {(entity.type, entity.stop) for entity in entities}
    marks_first, marks_last = _MARKED[scheme]
    tags = [OUTSIDE] * length
    for type_, start, stop in entities:
        first = ((type_, start) in stops) in marks_first
        last = ((type_, stop) in starts) in marks_last
        for place in range(start, stop):
            letter = _LETTERS[first and place == start, last and place == stop - 1]
            tags[place] = f"{letter}-{type_}"
    return tags


def convert(tags: Sequence[str], source: Scheme, target: Scheme) -> list[str]:
    """Return the same entities in another scheme; IO makes one of two that touch and have one type."""
    return tags_of(entities(tags, source), len(tags), target)


@lru_cache(maxsize=10_000)
def may_follow(before: str, after: str, scheme: Scheme) -> bool:
    """Whether `after` can stand behind `before`; at the beginning and the end of a sentence stands an `O`."""
    one, other = _parsed(before), _parsed(after)
    if not _is_boundary(one, other):
        return True
    touching = one.type == other.type
    marks_first, marks_last = _MARKED[scheme]
    ends_well = not one.type or one.is_last == (touching in marks_last)
    begins_well = not other.type or other.is_first == (touching in marks_first)
    return ends_well and begins_well


def impossible(tags: Sequence[str], scheme: Scheme) -> list[int]:
    """Return the places of tags that cannot follow the one before, and of a last one that cannot be the last."""
    steps = enumerate(pairwise([OUTSIDE, *tags, OUTSIDE]))
    places = [place for place, (before, after) in steps if not may_follow(before, after, scheme)]
    return sorted({min(place, len(tags) - 1) for place in places})


def are_plain(tags: Iterable[str]) -> bool:
    """Whether these are no entities' tags, but such as parts of speech: none is `O`, and none has a letter in front.

    Letters alone, as for the words of Chinese, are not plain. Reads no further than up to a tag that decides.
    """
    others = False
    for tag in tags:
        found = _TAG.fullmatch(tag)
        if tag == OUTSIDE or (found and found[2]):
            return False
        others = others or not found
    return others


def scheme_of(tags: Iterable[Sequence[str]]) -> Scheme:
    """Find out the scheme of a data set: the one in which the fewest of its tags are impossible.

    Where several are equal, as where every tag is `I-` or `O`, it is the first in the order of `Scheme`.
    """
    steps = Counter(step for sentence in tags for step in pairwise([OUTSIDE, *sentence, OUTSIDE]))

    def impossible_steps(scheme: Scheme) -> int:
        return sum(count for step, count in steps.items() if not may_follow(*step, scheme))

    return min(_MARKED, key=impossible_steps)


@lru_cache(maxsize=10_000)
def _parsed(tag: str) -> _Tag:
    if tag == OUTSIDE:
        return _Tag("")
    if found := _TAG.fullmatch(tag):
        letter, type_ = found.groups()
        return _Tag(type_ or _NO_TYPE, letter in _FIRST, letter in _LAST)
    return _Tag(tag or _NO_TYPE)


def _runs(tags: Sequence[_Tag]) -> Iterator[Entity]:
    outside = _parsed(OUTSIDE)
    start = 0
    for place, (before, after) in enumerate(pairwise([outside, *tags, outside])):
        if _is_boundary(before, after):
            if before.type:
                yield Entity(before.type, start, place)
            start = place


def _is_boundary(before: _Tag, after: _Tag) -> bool:
    """Whether an entity ends, or one begins, between two words."""
    return before.type != after.type or before.is_last or after.is_first
