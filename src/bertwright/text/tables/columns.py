"""Which column holds the text, its pair and the label: what the user named, or a guess from well-known names.

A guess is made only where exactly one answer fits; otherwise the error lists the columns and the flag to set.
Knows nothing of files but the name that its errors show.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bertwright.errors import UsageError
from bertwright.text.complaints import all_shown, did_you_mean, place, shown

IGNORED = "_"
"""The name, in `--columns`, of a column that is left out."""

# names as GLUE, SuperGLUE, CLUE, the hub's data sets and people's own tables have them, in lower case
_PAIRS = (
    ("sentence1", "sentence2"), ("sentence_1", "sentence_2"), ("sentence_a", "sentence_b"), ("sent1", "sent2"),
    ("text1", "text2"), ("text_1", "text_2"), ("text_a", "text_b"), ("text", "text_pair"), ("s1", "s2"),
    ("premise", "hypothesis"), ("question1", "question2"), ("#1 string", "#2 string"), ("question", "sentence"),
    ("question", "passage"), ("question", "answer"), ("query", "passage"), ("query", "document"), ("query", "title"),
)  # fmt: skip
_TEXTS = (
    "text", "texts", "sentence", "sentences", "content", "body", "document", "review", "review_body", "comment",
    "comment_text", "tweet", "message", "utterance", "question", "query", "title", "headline", "description",
    "text_a", "文本", "内容", "评论", "句子",
)  # fmt: skip
_LABELS = (
    "label", "labels", "gold_label", "class", "category", "target", "sentiment", "intent", "emotion", "topic",
    "stars", "rating", "score", "quality", "is_duplicate", "标签", "类别",
)  # fmt: skip
_KNOWN = {*_TEXTS, *_LABELS, *(name for pair in _PAIRS for name in pair)}


class NoLabelError(UsageError):
    """No column has a name that labels are known to have."""


@dataclass(frozen=True, slots=True)
class Named:
    """The columns as the user named them with flags; None where a guess is wanted."""

    text: str | None = None
    pair: str | None = None
    labels: tuple[str, ...] = ()
    several: bool = False
    """Whether each label column is one of several labels, however few there are."""

    def flags(self) -> list[tuple[str, str]]:
        """Return flag and name of each column that was named."""
        label = "--label-columns" if self.several else "--label-column"
        flags = [("--text-column", self.text), ("--text-pair-column", self.pair)]
        flags += [(label, name) for name in self.labels]
        return [(flag, name) for flag, name in flags if name is not None]


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns a row is made of; None or none where there is no pair or label."""

    text: str
    pair: str | None
    labels: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The columns in use: text, pair, labels."""
        return (self.text, *((self.pair,) if self.pair else ()), *self.labels)


def is_header(cells: Sequence[str], named: Named) -> bool:
    """Whether a first row is one of column names: it holds a well-known one, or one that the user named."""
    named_names = {name for _, name in named.flags()}
    return any(cell.strip() in named_names or cell.strip().casefold() in _KNOWN for cell in cells)


def choose_columns(found: Sequence[str], named: Named, path: Path, *, needs_label: bool) -> Columns:
    """Choose among the columns `found` in the file at `path`.

    Without `needs_label` a label column is taken only when the user named one.

    Raises:
        NoLabelError: There is no guess for the label.
        UsageError: A named column is not there, a name occurs twice, or there is not exactly one guess.
    """
    usable = [name for name in found if name not in {"", IGNORED}]
    _check_names(usable, named, path)
    text, pair = (named.text, named.pair) if named.text else _guess_texts(usable, named, path)
    labels = named.labels
    if not labels and needs_label:
        labels = (_guess_label([name for name in usable if name not in {text, pair}], usable, path),)
    columns = Columns(text, pair, labels)
    if len(set(columns.names)) < len(columns.names):
        raise UsageError(f"{place(path)}: one column cannot be two of text, pair and label: {all_shown(columns.names)}")
    return columns


def unread(given: Iterable[str], columns: Columns) -> tuple[str, ...]:
    """Names in `--columns` of columns that are not in use, although nobody said that they are to be left out."""
    used = {*columns.names, IGNORED}
    return tuple(name for name in given if name not in used and name.casefold() not in _LABELS)


def check_distinct(found: Iterable[str], path: Path) -> None:
    """See that no column that is not left out has the name of another one.

    Raises:
        UsageError: One has.
    """
    counts = Counter(name for name in found if name not in {"", IGNORED})
    if twice := next((name for name, count in counts.items() if count > 1), None):
        raise UsageError(f"{place(path)}: the column {shown(twice)} occurs twice; rename one of them")


def _check_names(usable: Sequence[str], named: Named, path: Path) -> None:
    check_distinct(usable, path)
    for flag, name in named.flags():
        if name not in usable:
            hint = did_you_mean(name, usable)
            raise UsageError(f"{place(path)}: no column {shown(name)} ({flag}){_listed(usable)}{hint}")
    if named.pair and not named.text:
        raise UsageError(f"{place(path)}: --text-pair-column also needs --text-column{_listed(usable)}")


def _guess_texts(usable: Sequence[str], named: Named, path: Path) -> tuple[str, str | None]:
    by_folded = {name.casefold(): name for name in usable if name not in named.labels}
    pairs = [(by_folded[one], by_folded[two]) for one, two in _PAIRS if {one, two} <= by_folded.keys()]
    paired = {name for pair in pairs for name in pair}
    singles = [by_folded[name] for name in _TEXTS if name in by_folded]
    guesses = [*pairs, *((name, None) for name in singles if name not in paired)]
    if len(guesses) != 1:
        options = [" + ".join(name for name in guess if name) for guess in guesses]
        found = f"the text could be {all_shown(options)}" if options else "no column has a name known for texts"
        flags = "set --text-column (and --text-pair-column for pairs)"
        raise UsageError(f"{place(path)}: {found}; {flags}{_listed(usable)}")
    return guesses[0]


def _guess_label(left: Sequence[str], usable: Sequence[str], path: Path) -> str:
    guesses = [name for name in left if name.casefold() in _LABELS]
    if not guesses:
        raise NoLabelError(f"{place(path)}: no column has a name known for labels; set --label-column{_listed(usable)}")
    if len(guesses) > 1:
        raise UsageError(f"{place(path)}: the label could be {all_shown(guesses)}; set --label-column{_listed(usable)}")
    return guesses[0]


def _listed(columns: Sequence[str]) -> str:
    return f"; the columns are {all_shown(columns)}"
