"""The page that `demo` writes: curves, accuracies, filled masks, judged pairs, what to type next.

Made from the demo's files alone, so that a finished demo can make it again.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bertwright.api.demonstration_report import Contest
from bertwright.evaluation.curves import charts
from bertwright.evaluation.page import page, plain
from bertwright.evaluation.svg import STYLE, inline
from bertwright.files import read_json, read_manifest
from bertwright.serving.loading import load
from bertwright.serving.masked_predictor import MaskedPredictor

MASKED = (
    "Return the [MASK] of the list.",
    "Raise a [MASK] if the file does not exist.",
    "The optional [MASK] is the name of the file.",
    "Return True if the [MASK] is empty.",
)
PAIRS = (
    ("Return a copy of the list.", "The original list is not changed."),
    ("Return a copy of the list.", "The window is drawn in the color that the user has chosen."),
)
_CODE = "\npre { white-space: pre-wrap; background: var(--box); padding: .6rem .8rem; border-radius: .4rem; }\n"


def demonstration_page(contest: Contest, texts: str, where: Mapping[str, Any]) -> str:
    """The page as HTML.

    Args:
        contest: Who answered what.
        texts: Lines on what the texts are.
        where: Device and precision, as `load` takes them.
    """
    entropy = read_manifest(contest.pretrained.parent / "shards").get("unigram_entropy")
    references = {} if entropy is None else {"unigram entropy of the corpus": entropy}
    drawn = charts(contest.pretrained / "run" / "log.jsonl", references)
    header = ("", "accuracy", "macro F1")
    parts = [
        f'<p class="soft">{"<br>".join(map(plain, texts.splitlines()))}</p>',
        "<h2>What pre-training gained</h2>",
        f"<p>{plain(contest.question())}.</p>",
        _table([header, *contest.rows()]),
        f"<p>{plain(contest.verdict())}</p>",
        "<h2>Pre-training: what it learned, step by step</h2>",
        f"<p>{plain(_measured(contest))}</p>",
        *map(inline, drawn),
        "<h2>Masks, filled by the pre-trained model</h2>",
        *_filled(contest, where),
        "<h2>Next</h2>",
        f"<pre>{plain_lines(contest.next_commands())}</pre>",
    ]
    return page("bertwright demo: the life of a small BERT", "\n".join(parts), STYLE + _CODE)


def plain_lines(lines: Iterable[str]) -> str:
    """Lines of plain text, one below the other."""
    return "\n".join(map(plain, lines))


def _measured(contest: Contest) -> str:
    """The figures of the held-out documents, in a sentence."""
    metrics = read_json(contest.pretrained / "run" / "metrics.json")
    assert isinstance(metrics, dict)
    figures = metrics.get("validation")
    if figures is None:
        return "Nothing was held out to measure on."
    return (
        f"On documents that it never learned from: masked-LM loss {figures['mlm_loss']:.3f} nats (accuracy "
        f"{figures['mlm_accuracy']:.3f}), next-sentence accuracy {figures['nsp_accuracy']:.3f}. A model that knows "
        "how frequent each token is, and nothing else, reaches the unigram entropy (dashed); a coin tells half of the "
        "pairs."
    )


def _filled(contest: Contest, where: Mapping[str, Any]) -> Iterable[str]:
    predictor = load(contest.pretrained, top_k=3, **where)
    assert isinstance(predictor, MaskedPredictor)
    rows = [("text", "likeliest", "probability")]
    for answer in predictor.predict(MASKED):
        for candidates in answer.filled:
            rows += [
                (answer.text if not place else "", candidate.token, f"{candidate.score:.3f}")
                for place, candidate in enumerate(candidates)
            ]
    yield _table(rows)
    pairs = [("first", "second", "is next")]
    for answer in predictor.predict([first for first, _ in PAIRS], [second for _, second in PAIRS]):
        pairs.append((answer.text, answer.text_pair or "", "" if answer.is_next is None else f"{answer.is_next:.3f}"))
    yield _table(pairs)
    yield '<p class="soft">So small a model that has read so little is often wrong.</p>'


def _table(rows: Sequence[Sequence[str]]) -> str:
    head, *body = rows
    lines = ["".join(f'<th scope="col" class="soft">{plain(cell)}</th>' for cell in head)]
    lines += ["".join(f"<td>{plain(cell)}</td>" for cell in row) for row in body]
    return "<table>\n" + "\n".join(f"<tr>{line}</tr>" for line in lines) + "\n</table>"
