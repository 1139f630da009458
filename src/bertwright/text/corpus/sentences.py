"""A paragraph → its sentences, by rules in the manner of Unicode's UAX #29 (section 5), for English and Chinese.

Rules of our own, because no library fits: NLTK's Punkt has to be downloaded, pysbd is no longer kept up and slower
than the tokenizer, spaCy brings a pipeline of its own. A full stop is read from what stands around it: an
abbreviation, an initial, a number or a lower-case letter after it means that the sentence goes on. 。！？； always end.
Every pattern runs in time proportional to the text. Knows nothing of documents' formats, and of no other language's
abbreviations.
"""

import re

from bertwright.text.corpus.document import Document

_HAN = "\u3400-\u9fff\uf900-\ufaff\U00020000-\U0002fa1f"
_CLOSING = "\"'”’»›)\\]}）】》」』〕〉］｝"
_CLOSERS = _CLOSING.replace("\\", "")
_OPENING = "\"'“‘«‹(\\[{（【《「『〔〈［｛¿¡*_"

# It begins with a set of characters, which the engine skips to fast. A run of marks is entered at its first one alone
# (the look-behind for two) and never given back (`*+`): else a line of 100,000 full stops would take hours.
_END = re.compile(
    rf"[.!?…؟۔。！？；｡।॥](?:"
    rf"(?<=[。！？；｡।॥])[。！？；｡।॥.!?…]*+[{_CLOSING}]*+"
    rf"|(?<![.!?…؟۔].)(?:[.!?…؟۔]*+[{_CLOSING}]*+(?=\s)|(?:(?<=[!?])|(?<=…)…)[!?…]*+[{_CLOSING}]*+(?=[{_HAN}])))"
)
_NEXT = re.compile(rf"\s*+[{_OPENING}]*+\s*+(\w++|.)?")
_LAST_WORD = re.compile(rf"[^\s{_OPENING}—–]*\Z")
_INITIALS = re.compile(r"(?:\w\.)+\w")


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


# after these, a sentence goes on whatever comes
_TITLES = _set(
    "mr mrs ms messrs mme mlle dr prof st gen col maj capt cmdr lt sgt rev hon gov sen rep pres supt mt ft vs v viz "
    "cf e.g i.e ca approx esp incl"
)
# after these, before a number
_BEFORE_NUMBERS = _set(
    "no nos vol vols p pp fig figs ch sec art op eq jan feb mar apr jun jul aug sep sept oct nov dec c b d r"
)
# after these and after initials like U.S., unless the next word is one that sentences begin with
_OFTEN_INSIDE = _set("jr sr inc corp co ltd bros etc al ph.d ed eds dept univ assn ave blvd rd")
_BEGINNINGS = _set(
    "a after all although an and another as at because before both but by despite during each even every few finally "
    "first following for from he her here his how however i if in instead it its later many meanwhile more most my "
    "nevertheless no nor not now of on once one only or other our over several she since so some soon still such that "
    "the their then there therefore these they this those though thus to today together two under unlike until we what "
    "when where whether which while who why with within without yet you your"
)


def sentences_of(document: Document) -> list[str]:
    """Return the sentences of a document, in order: its lines, split where they are not yet sentences."""
    if document.sentences_known:
        return list(document.lines)
    return [sentence for line in document.lines for sentence in split_sentences(line)]


def split_sentences(line: str) -> list[str]:
    """Return the sentences of one line; together they hold every character of it but white space at their ends."""
    sentences, start = [], 0
    for end in _END.finditer(line):
        if _ends_sentence(line, start, end):
            sentences.append(line[start : end.end()].strip())
            start = end.end()
    sentences.append(line[start:].strip())
    return [sentence for sentence in sentences if sentence]


def _ends_sentence(line: str, start: int, end: re.Match[str]) -> bool:
    """Whether the sentence that began at `start` ends with the marks of `end`."""
    if end[0][0] in "。！？；｡।॥":
        return True
    following = _NEXT.match(line, end.end())
    word = following[1] if following else None
    if word is None or word[0].islower() or not (word[0].isalnum() or word[0] in "#$€£¥"):
        return False
    return end[0][0] != "." or len(end[0].rstrip(_CLOSERS)) > 1 or _stops(line, start, end.start(), word)


def _stops(line: str, start: int, dot: int, following: str) -> bool:
    """Whether a single full stop at `dot`, before the word `following`, is more than the mark of an abbreviation."""
    found = _LAST_WORD.search(line, max(start, dot - 20), dot)
    word = found[0] if found else ""
    lowered = word.lower()
    if lowered in _TITLES or (lowered in _BEFORE_NUMBERS and following[0].isdecimal()):
        return False
    if len(word) == 1 and word.isupper() and word != "I":  # the initial of a name
        return False
    if word.isdecimal() and not line[start : dot - len(word)].strip():  # the number of an item in a list
        return False
    if lowered in _OFTEN_INSIDE or _INITIALS.fullmatch(word):
        return following.lower() in _BEGINNINGS
    return True
