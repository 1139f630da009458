"""`inspect`: what pre-training will read of a shard folder, shown token by token, and measured; also as a page."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bertwright.api.common import say, settled, show
from bertwright.api.corpus import PretrainingCorpus
from bertwright.api.starting_point import check_vocabulary
from bertwright.errors import UsageError
from bertwright.evaluation.instances import Figures, Shown, measure_instances, sequences, table
from bertwright.evaluation.instances_page import instances_page
from bertwright.evaluation.instances_text import LEGEND, described, listed
from bertwright.files import write_file
from bertwright.settings import InspectSettings
from bertwright.tasks.pretraining import Pretraining
from bertwright.text.wordpiece import WordPiece


@dataclass(frozen=True, slots=True)
class Inspected:
    """What `inspect` found.

    Attributes:
        figures: Counts and shares of the sample.
        examples: The instances that were shown.
        page: Where the page is.
    """

    figures: Figures
    examples: tuple[Shown, ...]
    page: Path


def inspect(settings: InspectSettings | None = None, /, **options: object) -> Inspected:
    """Show and measure what pre-training with the same settings will read; print it, and write a page.

    Args:
        settings: A settings object, instead of or before keyword arguments.
        **options: The fields of `InspectSettings`; `shards` is required.

    Raises:
        BertwrightError: The shards are not whole, of another vocabulary than `vocab`, or too few for the objective.
    """
    settings = settled(InspectSettings, settings, options)
    if settings.output.suffix.lower() not in {".html", ".htm"}:
        raise UsageError(f"--output {settings.output} should be the name of a page, as in inspect.html")
    corpus = PretrainingCorpus.open(settings)
    if settings.vocab is not None:
        check_vocabulary(settings.vocab, WordPiece.from_folder(settings.vocab), corpus.shards.tokenizer)
    say(corpus.describe(), quiet=settings.quiet)
    pairs = Pretraining(settings.objective).pairs
    examples = corpus.examples(corpus.train, settings.max_length)
    shown = tuple(sequences(examples, pairs, np.arange(min(settings.examples, len(examples)))))
    figures = measure_instances(examples, settings.samples)
    rows = table(figures, corpus.documents, pairs)
    write_file(settings.output, instances_page(f"What is in {settings.shards}", _how(settings), rows, figures, shown))
    _print(shown, rows, figures)
    say(f"page written to {settings.output}", quiet=settings.quiet)
    return Inspected(figures, shown, settings.output)


def _how(settings: InspectSettings) -> str:
    shares = " / ".join(f"{share:g}" for share in settings.mask_shares)
    return (
        f"{settings.objective}, sequences of up to {settings.max_length} tokens, {settings.mask_ratio:g} of the tokens "
        f"hidden by {settings.mask_unit} ([MASK] / random / kept: {shares}), seed {settings.seed}"
    )


def _print(shown: tuple[Shown, ...], rows: list[tuple[str, str, str]], figures: Figures) -> None:
    """Print instances and figures, with colours where standard output takes them."""
    from rich.console import Console

    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
    with console.capture() as captured:
        for number, sequence in enumerate(shown, 1):
            console.print(described(number, sequence))
        if shown:
            console.print(LEGEND, style="dim")
        console.print(listed(rows, figures))
    show(captured.get().rstrip("\n"))
