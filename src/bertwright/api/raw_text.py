"""What the verbs that read raw text do alike: open the corpus, and tell how it was understood."""

from bertwright.api.common import say, warn
from bertwright.errors import UsageError
from bertwright.settings import PrepareSettings, VocabSettings
from bertwright.text.corpus.documents import Corpus, open_corpus
from bertwright.text.corpus.inputs import input_around


def open_raw_text(settings: VocabSettings | PrepareSettings) -> Corpus:
    """The corpus of a call, of which no more than its beginning was read.

    Raises:
        UsageError: An input leads nowhere, or what is written would be read by the next call.
        BertwrightError: The first file cannot be read.
    """
    if (name := input_around(settings.output_dir, settings.input)) is not None:
        raise UsageError(
            f"--output-dir {settings.output_dir} lies in --input {name} and would become part of it: choose another"
        )
    corpus = open_corpus(
        settings.input,
        one_document_per_line=settings.one_document_per_line,
        document_per_file=settings.document_per_file,
        text_column=settings.text_column,
    )
    say(corpus.describe(), quiet=settings.quiet)
    if doubt := corpus.doubt():
        warn(doubt)
    return corpus
