"""Training instances and their figures as one page. Knows no corpus."""

from collections.abc import Iterable, Sequence

from bertwright.evaluation.instances import Fate, Figures, Shown, Token
from bertwright.evaluation.page import page, plain
from bertwright.evaluation.svg import STYLE, Bar, Chart, inline

_STYLE = (
    STYLE
    + """
:root { --masked: #ffdf5d; --replaced: #ffb3ad; --kept: #a6e3b0; --word: #8c959f; }
@media (prefers-color-scheme: dark) { :root { --masked: #7a5c00; --replaced: #8e2a24; --kept: #1b5e31; } }
.sequence { border: 1px solid var(--line); border-radius: .4rem; padding: .2rem .8rem .6rem; margin: 1rem 0; }
.sequence h3 { font-size: 1rem; margin: .4rem 0; }
.segment { line-height: 2.4; margin: .3rem 0; padding-left: .6rem; border-left: 4px solid var(--c); }
.a { --c: #0969da; } .b { --c: #bc4c00; }
.word { border-bottom: 2px solid var(--word); margin-right: .35em; }
.word > * + * { border-left: 1px dotted var(--word); padding-left: 1px; }
.special { color: var(--soft); }
ruby { ruby-position: under; border-radius: .2rem; padding: 0 .15em; } rt { font-size: .7em; }
.masked { background: var(--masked); } .replaced { background: var(--replaced); } .kept { background: var(--kept); }
"""
)
_MEANING: dict[Fate, str] = {
    "masked": "[MASK] stands here",
    "replaced": "a random token stands here",
    "kept": "left as it is",
}


def instances_page(
    title: str, settings: str, rows: Iterable[tuple[str, str, str]], figures: Figures, shown: Sequence[Shown]
) -> str:
    """A page with the figures and the instances.

    Args:
        title: What it is about.
        settings: One line on how the instances were drawn.
        rows: The figures for people; see `instances.table`.
        figures: Gives the histogram.
        shown: The instances.
    """
    parts = [
        f'<p class="soft">{plain(settings)}</p>',
        "<h2>Measured</h2>",
        _table(rows),
        inline(_histogram(figures)),
        "<h2>As the model will see them</h2>",
        _legend(),
        *(_sequence(number, sequence) for number, sequence in enumerate(shown, 1)),
    ]
    return page(title, "\n".join(parts), _STYLE)


def _table(rows: Iterable[tuple[str, str, str]]) -> str:
    cells = (
        f'<th scope="row">{plain(name)}</th><td class="n">{plain(value)}</td><td class="soft">{plain(note)}</td>'
        for name, value, note in rows
    )
    return "<table>\n" + "\n".join(f"<tr>{row}</tr>" for row in cells) + "\n</table>"


def _histogram(figures: Figures) -> Chart:
    edges = zip(figures.bins, figures.bins[1:], figures.lengths, strict=False)
    bars = [Bar(left, right, count) for left, right, count in edges]
    return Chart("Lengths of the sequences", "tokens", "sequences", bars=bars)


def _legend() -> str:
    fates = (f'<ruby class="{fate}">token<rt>original</rt></ruby> {meaning}' for fate, meaning in _MEANING.items())
    return f"<p>To be guessed: {', '.join(fates)}. A line under the tokens of each word.</p>"


def _sequence(number: int, sequence: Shown) -> str:
    relation = f": {plain(sequence.relation)}" if sequence.relation else ""
    segments = (
        f'<p class="segment {letter}"><span class="soft">{letter.upper()} from {plain(document)}</span><br>\n'
        f"{' '.join(_words(tokens))}</p>"
        for letter, tokens, document in zip("ab", sequence.segments, sequence.documents, strict=False)
    )
    return f'<div class="sequence"><h3>{number}{relation}</h3>\n' + "\n".join(segments) + "\n</div>"


def _words(tokens: Sequence[Token]) -> Iterable[str]:
    """Each word with its tokens."""
    starts = [place for place, token in enumerate(tokens) if token.begins_word or not place]
    for start, end in zip(starts, [*starts[1:], len(tokens)], strict=True):
        yield f'<span class="word">{"".join(map(_token, tokens[start:end]))}</span>'


def _token(token: Token) -> str:
    if token.fate in _MEANING:
        meaning = f"{_MEANING[token.fate]}, in the place of {token.original}"
        original = plain(token.original)
        return f'<ruby class="{token.fate}" title="{plain(meaning)}">{plain(token.text)}<rt>{original}</rt></ruby>'
    return f'<span class="{token.fate}">{plain(token.text)}</span>'
