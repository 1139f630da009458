"""The words of a report in each language: one table a language, with the same keys. Knows no section."""

from collections.abc import Mapping
from types import MappingProxyType

from bertwright.evaluation.report.chinese import CHINESE
from bertwright.evaluation.report.english import ENGLISH
from bertwright.settings.shared import Language

TABLES: Mapping[Language, Mapping[str, str]] = MappingProxyType({"en": ENGLISH, "zh": CHINESE})


class Words:
    """The words of one language.

    Args:
        language: One of `Language`.
    """

    def __init__(self, language: Language) -> None:
        self.language = language
        self._table = TABLES[language]

    @property
    def tag(self) -> str:
        """As browsers want it named."""
        return {"en": "en", "zh": "zh-Hans"}[self.language]

    def __call__(self, key: str, **values: object) -> str:
        """The words behind a key, with these values in their places."""
        return self._table[key].format(**values)

    def known(self, key: str) -> str:
        """The words behind a key that may be none, as of a figure that has no explanation."""
        return self._table.get(key, "")
