"""What a new head starts on: a pooler that some training has touched is kept, any other is drawn to be learned from."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import tiny
from bertwright.api.starting_point import Made, StartingPoint
from bertwright.model.encoder import Bert, initialise
from bertwright.model.folder import ModelFolder, write_model_folder
from bertwright.model.heads import Headed, PreTraining, SequenceClassifier, TokenClassifier
from bertwright.tasks.classification import Classification
from bertwright.tasks.kinds import task_of
from bertwright.text.wordpiece import WordPiece

DRAWN = "pooler drawn anew: its bias is 0 in the folder, which shows that it was never trained"
OLD, NEW = ("no", "yes", "maybe", "never"), ("a", "b")
TOKENIZER = WordPiece.from_tokens(
    ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"word{place}" for place in range(94))], max_length=41
)
CONFIG = replace(tiny.CONFIG, hidden_size=96, labels=OLD, problem_type="single_label_classification")


def drawn(model: Headed) -> Headed:
    """With random weights, as before any training."""
    torch.manual_seed(5)
    for module in model.modules():
        initialise(module, 0.02)
    return model


def start(folder: Path, model: Headed, *, labels: tuple[str, ...] = NEW, seed: int = 0) -> Made:
    """Write the model, and make one of it for these labels."""
    write_model_folder(folder, model, CONFIG, TOKENIZER)
    point = StartingPoint.find(str(folder), None)
    return point.headed(Classification(labels), dropout=None, seed=seed)


def pooler(model: Headed) -> nn.Linear:
    assert model.bert.pooler is not None
    return model.bert.pooler.dense


def orthogonal(weight: Tensor) -> bool:
    """But for one factor."""
    square = weight.double() @ weight.double().T
    return torch.allclose(square / square[0, 0], torch.eye(len(weight), dtype=torch.double), atol=1e-5)


@pytest.mark.parametrize("scale", [0.1, 1.0, 3.0])
def test_the_pooler_passes_on_hidden_states_of_any_size(scale: float):
    """Variance 1 before tanh, whatever gains and biases the last layer norm has learned."""
    torch.manual_seed(3)
    bert = Bert(CONFIG)
    norm = bert.encoder.layer[-1].output.LayerNorm
    with torch.no_grad():
        norm.weight.uniform_(0.2 * scale, scale)
        norm.bias.normal_(0, 0.5 * scale)
        bert.draw_pooler()
        assert bert.pooler is not None
        before = bert.pooler.dense(norm(torch.randn(5000, 96)))
    assert before.square().mean() == pytest.approx(1.0, rel=0.05)
    assert orthogonal(bert.pooler.dense.weight)
    assert not bert.pooler.dense.bias.any()


def test_an_untrained_pooler_is_drawn_anew_for_a_new_head(tmp_path: Path):
    model = drawn(SequenceClassifier(CONFIG))
    found = start(tmp_path / "bert", model)
    assert found.notice is not None
    assert found.notice.endswith(f"; {DRAWN}")
    assert orthogonal(pooler(found.model).weight)
    before, after = (one.bert.encoder.state_dict() for one in (model, found.model))
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_the_seed_decides_the_draw(tmp_path: Path):
    one, same, other = (
        start(tmp_path / "bert", drawn(SequenceClassifier(CONFIG)), seed=seed).model for seed in (1, 1, 2)
    )
    assert torch.equal(pooler(one).weight, pooler(same).weight)
    assert not torch.equal(pooler(one).weight, pooler(other).weight)


def test_one_trained_bias_keeps_the_pooler(tmp_path: Path):
    model = drawn(SequenceClassifier(CONFIG))
    with torch.no_grad():
        pooler(model).bias[7] = -1e-6
    found = start(tmp_path / "bert", model)
    assert torch.equal(pooler(found.model).weight, pooler(model).weight)
    assert DRAWN not in (found.notice or "")


def test_a_head_that_is_kept_keeps_the_pooler_that_it_reads(tmp_path: Path):
    """Whoever froze the pooler trained the classifier on it as it was."""
    model = drawn(SequenceClassifier(CONFIG))
    found = start(tmp_path / "bert", model, labels=OLD)
    assert found.notice is None
    assert torch.equal(pooler(found.model).weight, pooler(model).weight)


def test_a_missing_pooler_is_drawn_so_too(tmp_path: Path):
    found = start(tmp_path / "bert", drawn(PreTraining(CONFIG, pairs=False)))
    assert found.notice is not None
    assert found.notice.startswith("newly initialised: pooler.dense (weight, bias), classifier (weight, bias)")
    assert DRAWN not in found.notice
    assert orthogonal(pooler(found.model).weight)


def test_a_tagger_of_as_many_labels_leaves_no_pooler_behind(tmp_path: Path):
    """Its classifier has the shape of the new one, and is left aside all the same."""
    found = start(tmp_path / "bert", drawn(TokenClassifier(CONFIG)), labels=("a", "b", "c", "d"))
    assert found.notice is not None
    assert "classifier (the model's own has other labels)" in found.notice
    assert "pooler.dense (weight, bias)" in found.notice
    assert orthogonal(pooler(found.model).weight)


def test_random_weights_begin_as_in_the_original(tmp_path: Path):
    """From a size preset nothing was trained: BERT's own numbers are kept."""
    TOKENIZER.save(tmp_path)
    made = StartingPoint.find("tiny", tmp_path).headed(Classification(NEW), dropout=None, seed=0)
    assert pooler(made.model).weight.abs().max() <= 2 * 0.02


def test_a_size_preset_is_said_to_have_no_weights():
    found = StartingPoint(CONFIG, TOKENIZER, None).headed(Classification(NEW), dropout=None, seed=0)
    assert found.notice == "newly initialised: all weights, as --model is a size preset"


def test_pretraining_leaves_nothing_of_the_task_that_its_model_was_made_for(tmp_path: Path):
    tagger = replace(CONFIG, labels=("O", "B-X"), problem_type=None, task={"name": "tagging"})
    write_model_folder(tmp_path, drawn(TokenClassifier(tagger)), tagger, TOKENIZER)
    model, config, _ = StartingPoint.find(str(tmp_path), None).pretrainer(pairs=False, dropout=None, seed=0)
    write_model_folder(tmp_path, model, config, TOKENIZER)
    assert task_of(ModelFolder.open(tmp_path).config) is None
