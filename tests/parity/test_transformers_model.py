"""Our model is transformers' BERT: logits, pooled states, loss, gradients and folders, both ways."""

from pathlib import Path

import pytest
from check_model import CONFIGS, Texts, check_both_ways, fresh_classifier, random_model
from check_transformers import curious_texts

import tiny  # noqa: F401 - one thread


@pytest.mark.parametrize("activation", CONFIGS)
def test_random_models_of_odd_sizes(activation: str, tmp_path: Path):
    texts = curious_texts(60)
    rows = [Texts(texts, max_length=41), Texts(texts, texts[::-1], max_length=41)]
    check_both_ways(tmp_path, random_model(tmp_path, activation, max_length=41), rows)


@pytest.mark.data
@pytest.mark.checkpoint
def test_a_real_model_on_real_texts(minilm_dir: Path, data_dir: Path, tmp_path: Path):
    """SST-2's texts and MRPC's pairs, from the MiniLM checkpoint."""
    sentences, pairs = (
        [line.split("\t") for line in (data_dir / name / "dev.tsv").read_text("utf-8-sig").splitlines()[1:40]]
        for name in ("sst2", "mrpc")
    )
    rows = [Texts([row[0] for row in sentences]), Texts([row[3] for row in pairs], [row[4] for row in pairs])]
    check_both_ways(tmp_path, fresh_classifier(tmp_path, minilm_dir), rows)
