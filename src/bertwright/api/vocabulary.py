"""`vocab`: a WordPiece vocabulary learned from raw text, and a report on how well it fits that text."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bertwright.api.common import say, settled, show, warn
from bertwright.api.live_line import live_line
from bertwright.api.raw_text import open_raw_text
from bertwright.errors import UsageError
from bertwright.files import TEMPORARY, make_folder, remove_leftovers, write_json
from bertwright.settings import VocabSettings
from bertwright.text.corpus.documents import Corpus
from bertwright.text.vocabulary_report import EvenSample, VocabularyReport, report_on, table
from bertwright.text.wordpiece import WordPiece

REPORT = "vocabulary_report.json"
BEGUN = f"{TEMPORARY}{REPORT}"  # until all is written it says whose folder this is
SAMPLE = 4_000_000  # characters of the corpus that the report is about


@dataclass(frozen=True, slots=True)
class LearnedVocabulary:
    """What `vocab` made.

    Attributes:
        folder: The tokenizer folder.
        report: Figures of the vocabulary on a sample of the corpus.
        compared: The same of the vocabulary to compare with.
    """

    folder: Path
    report: VocabularyReport
    compared: VocabularyReport | None


def vocab(settings: VocabSettings | None = None, /, **options: object) -> LearnedVocabulary:
    """Learn a WordPiece vocabulary from raw text, and write a tokenizer folder with a report on it.

    The corpus is read twice as a stream; the same corpus gives the same vocabulary.

    Args:
        settings: A settings object, instead of or before keyword arguments.
        **options: The fields of `VocabSettings`; `input` and `output_dir` are required.

    Raises:
        BertwrightError: The corpus is not what it should be, its characters are more than the vocabulary has room for,
            or the output folder holds something else.
    """
    settings = settled(VocabSettings, settings, options)
    _check_output(settings)
    compared = WordPiece.from_folder(settings.compare) if settings.compare else None
    corpus = open_raw_text(settings)
    texts = _Texts(corpus, quiet=settings.quiet)
    tokenizer = _learn(texts, settings)
    say(corpus.counted(), quiet=settings.quiet)
    if tokenizer.vocab_size < settings.size:
        warn(f"the corpus gives {tokenizer.vocab_size:,} tokens, not {settings.size:,}: it has no more pieces to join")
    report = report_on(tokenizer, texts.sample.texts)
    other = report_on(compared, texts.sample.texts) if compared else None
    _save(settings, tokenizer, texts, report, other)
    reports = {str(settings.output_dir): report} | ({str(settings.compare): other} if other else {})
    show(f"{table(reports)}\n{texts.describe_sample()}")
    return LearnedVocabulary(settings.output_dir, report, other)


@dataclass(eq=False)
class _Texts:
    """The lines of a corpus, each iteration anew, with a sample of them for the report.

    Attributes:
        sample: That of the last iteration.
    """

    corpus: Corpus
    quiet: bool
    sample: EvenSample = field(default_factory=lambda: EvenSample(SAMPLE))
    _passes: int = 0
    _of_all: str = ""

    def __iter__(self) -> Iterator[str]:
        self.sample = EvenSample(SAMPLE)
        self._passes += 1
        with live_line(quiet=self.quiet) as shown:
            for number, document in enumerate(self.corpus.documents(), 1):
                for line in document.lines:
                    self.sample.add(line)
                    yield line
                shown.show(f"pass {self._passes} of 2: {number:,}{self._of_all} documents")
        self._of_all = f" of {self.corpus.counts['kept']:,}"

    def describe_sample(self) -> str:
        """Say what the report is about."""
        size = sum(map(len, self.sample.texts)) / 1e6
        which = "all lines" if self.sample.every == 1 else f"every {self.sample.every}th line"
        return f"measured on {which} of the corpus itself ({size:.1f} million characters)"


def _check_output(settings: VocabSettings) -> None:
    """Refuse to write over anything before hours of work are spent, and over what is no vocabulary at all."""
    folder = settings.output_dir
    if not folder.exists() or not any(folder.iterdir()):
        return
    whole = (folder / REPORT).exists()
    if not whole and not any(folder.glob(f"*{BEGUN}*")):
        raise UsageError(f"{folder} is not empty and holds no vocabulary of ours: choose another --output-dir")
    if whole and not settings.overwrite:
        raise UsageError(f"{folder} already holds a vocabulary: choose another --output-dir, or pass --overwrite")


def _learn(texts: _Texts, settings: VocabSettings) -> WordPiece:
    return WordPiece.train(
        texts,
        size=settings.size,
        min_frequency=settings.min_frequency,
        character_coverage=settings.character_coverage,
        unused_tokens=settings.unused_tokens,
        lowercase=not settings.cased,
        strip_accents=settings.strip_accents,
        chinese_characters=settings.chinese_characters,
        max_length=settings.max_length,
    )


def _save(
    settings: VocabSettings,
    tokenizer: WordPiece,
    texts: _Texts,
    report: VocabularyReport,
    other: VocabularyReport | None,
) -> None:
    """Write the tokenizer and the report on it; killed at any instant, the same command can be given again."""
    folder = settings.output_dir
    content = {
        "settings": settings.model_dump(mode="json"),
        "files": [str(path) for path in texts.corpus.files],
        "documents": dict(texts.corpus.counts),
        "measured_on": texts.describe_sample(),
        "vocabulary": report.to_dict(),
        "compared": other.to_dict() if other else None,
    }
    make_folder(folder)
    write_json(folder / BEGUN, content)
    tokenizer.save(folder)
    write_json(folder / REPORT, content)
    remove_leftovers(folder)
