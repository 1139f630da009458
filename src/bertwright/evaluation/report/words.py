"""The words of a report in each language: one table a language, with the same keys. Knows no section."""

import re
from collections.abc import Mapping
from types import MappingProxyType

from bertwright.evaluation.report.chinese import CHINESE
from bertwright.evaluation.report.english import ENGLISH
from bertwright.settings.shared import Language

TABLES: Mapping[Language, Mapping[str, str]] = MappingProxyType({"en": ENGLISH, "zh": CHINESE})

_TOLD = "told_"


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

    def told(self, text: str) -> str | None:
        """In this language what a run wrote down in English; None where the tables do not have it."""
        for key in self._table:
            if key.startswith(_TOLD) and (found := _pattern(ENGLISH[key]).fullmatch(text)):
                return self(key, **found.groupdict())
        return None


def _pattern(words: str) -> re.Pattern[str]:
    """What matches these words, whatever stands in their places."""
    return re.compile(re.sub(r"\\{(\w+)\\}", r"(?P<\1>.+)", re.escape(words)), re.DOTALL)
