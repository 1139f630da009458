"""Instances in a terminal and on a page: everything is said, and hostile text is text."""

import base64
import hashlib
import io
import re
from html.parser import HTMLParser

from rich.console import Console

from bertwright.evaluation.instances import Fate, Figures, Shown, Token
from bertwright.evaluation.instances_page import instances_page
from bertwright.evaluation.instances_text import described, listed

FIGURES = Figures(2, 9, 0, 6, 1, 1, 1, 1, 1, 0, 2, 0, (3, 5, 7), (1, 3))
HOSTILE = ("<script>alert(1)</script>", "\x1b[2J", "\u202egnp", '"><img src=x onerror=1>', "&amp;", "\x00", "a\nb")


def token(text: str, fate: Fate = "plain", original: str | None = None, *, begins: bool = True) -> Token:
    return Token(text, text if original is None else original, fate, begins)


PAIR = Shown(
    (
        (
            token("[CLS]", "special"),
            token("the"),
            token("[MASK]", "masked", "cat"),
            token("##s", begins=False),
            token("[SEP]", "special"),
        ),
        (token("axe", "replaced", "sat"), token("mat", "kept"), token("[SEP]", "special")),
    ),
    ("pets", "rooms"),
    "NotNext",
)


class Page(HTMLParser):
    """What a browser would take out of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return "".join(self.words)


def printed(sequence: Shown, **how: object) -> str:
    out = io.StringIO()
    Console(file=out, soft_wrap=True, highlight=False, **how).print(described(1, sequence))  # type: ignore[arg-type]
    return out.getvalue()


def hostile(text: str) -> Shown:
    return Shown(((token(text), token(text, "masked", text)), (token("x", "kept", text),)), (text, text), "IsNext")


def test_without_colours_the_marks_say_all() -> None:
    assert printed(PAIR).splitlines() == [
        "1. NotNext",
        "   A from pets",
        "     [CLS] the {cat→[MASK]}·##s [SEP]",
        "   B from rooms",
        "     {sat→axe} {mat=mat} [SEP]",
    ]


def test_colours_are_added_where_there_is_a_terminal_that_has_them() -> None:
    coloured = printed(PAIR, force_terminal=True, color_system="standard", no_color=False)
    assert "\x1b[1;30;43m{cat→[MASK]}\x1b[0m" in coloured
    assert "\x1b[1;37;41m{sat→axe}\x1b[0m" in coloured
    assert "\x1b[1;37;42m{mat=mat}\x1b[0m" in coloured
    assert re.sub(r"\x1b\[[\d;]*m", "", coloured) == printed(PAIR)
    assert not re.search(r"\x1b\[[\d;]*[34]\d", printed(PAIR, force_terminal=True, no_color=True))


def test_hostile_text_does_not_drive_the_terminal() -> None:
    for text in HOSTILE:
        lines = printed(hostile(text)).splitlines()
        assert len(lines) == 5
        assert all(line.isprintable() for line in lines)
    assert "\\x1b[2J" in printed(hostile(HOSTILE[1]))


def test_a_markup_of_rich_is_text() -> None:
    assert "[red]{[red]→[red]}" in printed(hostile("[red]")).replace(" ", "")


def test_the_figures_as_lines() -> None:
    lines = listed([("documents", "20", "in all"), ("padding", "0", "")], FIGURES).splitlines()
    assert lines == [
        "documents                             20  in all",
        "padding                                0",
        "lengths                               ▃█  from 3 to 6 tokens",
    ]


def test_a_page_shows_tokens_and_figures() -> None:
    page = instances_page("shards", "how", [("documents", "20", "in all")], FIGURES, [PAIR])
    found = Page(page)
    classes = [attributes.get("class") for tag, attributes in found.tags if tag == "ruby"]
    assert classes[3:] == ["masked", "replaced", "kept"], "after the three of the legend"
    for word in (
        "[CLS]",
        "the",
        "cat",
        "##s",
        "axe",
        "sat",
        "mat",
        "NotNext",
        "from pets",
        "from rooms",
        "20",
        "in all",
    ):
        assert word in found.text
    assert page.count('<span class="word">') == 7
    assert re.search(
        r'masked" title="[^"]*in the place of cat">\[MASK\]<rt>cat</rt></ruby><span class="plain">##s', page
    )
    bars = [tag for tag in found.tags if tag[1].get("class") == "bar"]
    assert len(bars) == 2


def test_hostile_text_is_text_of_the_page() -> None:
    calm = Page(instances_page("t", "h", [], FIGURES, [hostile("calm")]))
    for text in HOSTILE:
        page = instances_page(text, text, [(text, text, text)], FIGURES, [hostile(text)])
        found = Page(page)
        assert [tag for tag, _ in found.tags if tag not in {"tr", "th", "td"}] == [
            tag for tag, _ in calm.tags if tag not in {"tr", "th", "td"}
        ]
        assert {name for _, attributes in found.tags for name in attributes} == {
            name for _, attributes in calm.tags for name in attributes
        } | {"scope"}
        assert not re.search("[\x00-\x09\x0b-\x1f\u202e]", page)
    assert HOSTILE[0] in Page(instances_page("t", "h", [], FIGURES, [hostile(HOSTILE[0])])).text


def test_the_page_needs_nothing_and_allows_nothing_but_its_own_style() -> None:
    page = instances_page("shards", "how", [], FIGURES, [PAIR])
    found = Page(page)
    assert not {tag for tag, _ in found.tags} & {"script", "link", "img", "iframe", "object", "form"}
    assert not [attributes for _, attributes in found.tags if {"style", "src", "href"} & attributes.keys()]
    (sheet,) = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(sheet.encode()).digest()).decode()
    (policy,) = [a["content"] for _, a in found.tags if a.get("http-equiv") == "Content-Security-Policy"]
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    assert "prefers-color-scheme: dark" in sheet
    assert ("meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"}) in found.tags
