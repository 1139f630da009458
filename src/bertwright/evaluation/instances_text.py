"""Training instances for a terminal: marks that say all, and colours on top of them where there are colours.

    [CLS] the cat {sat→[MASK]} on {the→axe} {mat=mat} [SEP]

Words are parted by blanks, the pieces of a word by dots. Knows no corpus.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from bertwright.evaluation.instances import Fate, Figures, Shown, Token
from bertwright.text.complaints import printable

if TYPE_CHECKING:
    from rich.text import Text

STYLES: dict[Fate, str] = {
    "plain": "",
    "special": "dim",
    "masked": "bold black on yellow",
    "replaced": "bold white on red",
    "kept": "bold white on green",
}
_BARS = " ▁▂▃▄▅▆▇█"
LEGEND = "{original→[MASK]}  {original→random}  {original=kept}   a·##piece: of one word"


def described(number: int, sequence: Shown) -> "Text":
    """One instance as styled text: without styles it says the same."""
    from rich.text import Text

    text = Text()
    text.append(f"{number}. {sequence.relation or ''}".rstrip(), style="bold")
    for letter, tokens, document in zip("AB", sequence.segments, sequence.documents, strict=False):
        text.append(f"\n   {letter} from {printable(document)}", style="cyan")
        text.append("\n     ")
        for part, style in _parts(tokens):
            text.append(part, style=style)
    return text


def listed(rows: Iterable[tuple[str, str, str]], figures: Figures) -> str:
    """The figures, one below the other, and the lengths as a row of bars."""
    lines = [f"{name:<22}{value:>18}  {note}".rstrip() for name, value, note in rows]
    tallest = max(figures.lengths)
    bars = "".join(_BARS[-(-count * (len(_BARS) - 1) // tallest)] for count in figures.lengths)
    lines.append(f"{'lengths':<22}{bars:>18}  from {figures.bins[0]} to {figures.bins[-1] - 1} tokens")
    return "\n".join(lines)


def _parts(tokens: Iterable[Token]) -> Iterable[tuple[str, str]]:
    """Pieces of a line with their styles."""
    for place, token in enumerate(tokens):
        if place:
            yield (" " if token.begins_word else "·"), ""
        yield marked(token), STYLES[token.fate]


def marked(token: Token) -> str:
    """A token with the marks that say what became of it."""
    text, original = printable(token.text), printable(token.original)
    match token.fate:
        case "masked" | "replaced":
            return f"{{{original}→{text}}}"
        case "kept":
            return f"{{{original}={text}}}"
    return text
