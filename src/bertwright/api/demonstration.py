"""`demo`: a small BERT trained on text that ships with Python."""

from bertwright.settings import DemoSettings


def demo(settings: DemoSettings | None = None, /, **options: object) -> None:
    """Train a small BERT on text that ships with Python."""
    raise NotImplementedError
