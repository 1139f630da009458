"""The card of a pre-trained model claims no more than was measured."""

import pytest

from bertwright.evaluation.card import pretraining_card
from bertwright.model.config import BertConfig
from bertwright.settings import PretrainSettings

SETTINGS = PretrainSettings.create(
    {"model": "tiny", "shards": "shards", "output_dir": "out", "max_steps": 4, "max_length": 48, "held_out": 0}
)


@pytest.mark.parametrize("metrics", [{"validation": {"loss": 1.25}}, {}], ids=["measured", "nothing held out"])
def test_figures_are_there_where_something_was_held_out(metrics: dict[str, dict[str, float]]) -> None:
    card = pretraining_card(SETTINGS, BertConfig.preset("tiny", vocab_size=90), metrics)
    told = "It reads 48 tokens. The figures are of documents that it never learned from.\n\n| metric | validation |"
    assert (told in card) == ("| loss | 1.2500 |\n\nHow it was made" in card) == bool(metrics)
    assert ("It reads 48 tokens.\n\nHow it was made" in card) == ("|" not in card.partition("```")[0]) == (not metrics)
