"""Markup is made by `tag` alone: text of any kind comes out as text, in elements and in attributes."""

from html.parser import HTMLParser

from hypothesis import example, given
from hypothesis import strategies as st

from bertwright.evaluation.html import Html, lines, tag, together

ANY = st.text(st.characters(codec=None), max_size=40)


class Read(HTMLParser):
    """What a parser sees."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, list[tuple[str, str | None]]]] = []
        self.parts: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, attrs))

    def handle_data(self, data: str) -> None:
        self.parts.append(data)

    @property
    def text(self) -> str:
        """All of it."""
        return "".join(self.parts)


def visible(text: str) -> str:
    """By another way than the code: what prints, blanks and joiners stay, all else has its name."""
    kept = {" ", "\u00a0", "\u3000", "\u200c", "\u200d", "\u1680", "\u202f", "\u205f", *map(chr, range(0x2000, 0x200B))}
    return "".join(sign if sign.isprintable() or sign in kept else repr(sign)[1:-1] for sign in text)


@given(ANY, ANY)
@example("</p><script>alert(1)</script>", '" onload="x')
@example("\u202eexe\ud800\x1b[m", "&lt; &#60; &amp;")
@example("\u3000全\u200d", "'")
def test_text_is_text(text: str, name: str) -> None:
    read = Read(tag("p", text, [tag("b", name), None, 7], title=name))
    assert read.tags == [("p", [("title", visible(name))]), ("b", [])]
    assert read.text == visible(text) + visible(name) + "7"


def test_markup_that_was_changed_is_text_again() -> None:
    bold = tag("b", "x")
    for changed in (bold + "<i>", f"{bold}<i>", bold.replace("x", "<i>"), "".join([bold, "<i>"]), bold[:]):
        assert type(changed) is str or changed == bold
        assert "<i>" not in tag("p", changed)
    assert tag("p", bold) == "<p><b>x</b></p>"


def test_attributes_and_empty_elements() -> None:
    made = tag("svg", class_="a", aria_label="b", viewBox="0 0 1 1", hidden=True, id=None, open=False, x=0.5)
    assert made == '<svg class="a" aria-label="b" viewBox="0 0 1 1" hidden x="0.5"></svg>'
    assert tag("br") == "<br>"
    assert isinstance(together("a", tag("br")), Html)
    assert lines("a\r\nb<\n") == "a<br>b&lt;<br>"
