"""The settings of what is made from raw text before any training: a vocabulary, shards.

Knows nothing of what the settings are used for.
"""

from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from bertwright.settings.base import Free, Settings, Spelled
from bertwright.settings.shared import MaxLength, Positive


class CorpusSettings(Settings):
    """How raw text is read."""

    input: Annotated[tuple[str, ...], Field(min_length=1), Spelled("input_file")]
    """Files, folders, patterns, or data sets on the hub (owner/name, or owner/name:PATTERN for some of its files):
    .txt, .md, .jsonl, .parquet, WikiExtractor's output, and .gz .zip .tar of these."""
    one_document_per_line: bool = False
    """Each line of a text file is a document; when not given, it is a sentence, and blank lines part documents."""
    document_per_file: bool = False
    """Each text file is a document, its lines are paragraphs."""
    text_column: str | None = None
    """The key or column with the text in .jsonl and .parquet (text or content when not given)."""

    @field_validator("input", mode="before")
    @classmethod
    def _one_or_many(cls, value: object) -> object:
        given = value if isinstance(value, list | tuple) else (value,)
        # A shell completes a folder's name with a slash: the same input must stay the same setting.
        return tuple(str(each).rstrip("/") or "/" if isinstance(each, str | Path) else each for each in given)

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        if self.one_document_per_line and self.document_per_file:
            raise ValueError("one_document_per_line and document_per_file contradict each other: choose one")
        return self


class VocabSettings(CorpusSettings):
    """Learn a WordPiece vocabulary from raw text."""

    verb: ClassVar[str] = "vocab"

    output_dir: Path
    """Folder for the tokenizer files and the report on them."""
    size: Annotated[int, Field(ge=6), Spelled("vocab_size")] = 30_522
    """Tokens, special ones and empty slots included; fewer when the corpus does not give so many."""
    cased: bool = False
    """Keep upper and lower case apart."""
    strip_accents: bool | None = None
    """Take accents off letters; when not given, as BERT does: where case is not kept."""
    chinese_characters: Annotated[bool, Spelled("tokenize_chinese_chars", "handle_chinese_chars")] = True
    """Make each Chinese character a word of its own, as BERT does."""
    min_frequency: Positive = 2
    """How often two pieces must meet to become one."""
    character_coverage: Annotated[float, Field(gt=0.0, le=1.0)] = 0.9999
    """Share of the corpus's characters that must be in the vocabulary; words with one of the rarest others become
    [UNK] (1 = all)."""
    unused_tokens: Annotated[int, Field(ge=0)] = 0
    """Empty slots, [unused0] and so on, for words that you may want to add later."""
    max_length: Annotated[MaxLength, Spelled("model_max_length")] = 512
    """Longest input of the model that the vocabulary is for, in tokens; written down for those who read the folder."""
    compare: Path | None = None
    """Tokenizer or model folder whose figures on the same text are shown beside."""
    overwrite: bool = False
    """Write over the vocabulary that --output-dir already holds."""
    quiet: bool = False
    """Print only warnings and the result."""


class PrepareSettings(CorpusSettings):
    """Turn raw text into the token shards that pre-training reads."""

    verb: ClassVar[str] = "prepare"

    vocab: str
    """Folder of the vocabulary: a tokenizer or any BERT model; or a model's hub name."""
    output_dir: Annotated[Path, Free]
    """Folder for the shards."""
    segmenter: str | None = None
    """Chinese words: jieba, none (each character is a word), or a file with one word a line; when not given, jieba
    where it is installed."""
    deduplicate: Literal["none", "exact", "near"] = "none"
    """Drop documents that came before: exact = but for case and white space, near = about four fifths alike or more."""
    processes: Annotated[Positive | None, Free] = None
    """How many processes work at once; one for each core when not given. The result is the same."""
    overwrite: Annotated[bool, Free] = False
    """Start anew where --output-dir already holds shards."""
    quiet: Annotated[bool, Free] = False
    """Print only warnings and the result."""
