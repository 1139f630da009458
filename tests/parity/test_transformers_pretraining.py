"""Our pre-training is that of transformers' `BertForPreTraining`: losses, gradients, logits, folders both ways."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from check_model import GRADIENTS, LOGITS, gradients, largest_difference, padded

import small_corpus
import tiny  # noqa: F401 - one thread
from bertwright.batches.masking import Masking
from bertwright.batches.pairs import Objective, make_instances
from bertwright.errors import ModelFolderError
from bertwright.model.config import BertConfig
from bertwright.model.folder import ModelFolder, write_model_folder
from bertwright.model.heads import PreTraining
from bertwright.tasks.pretraining import Pretraining, PretrainingBatch, PretrainingExamples

TOKENIZER = small_corpus.TOKENIZER_OF_ALL
CONFIG = BertConfig(
    vocab_size=TOKENIZER.vocab_size + 7,
    hidden_size=24,
    num_hidden_layers=3,
    num_attention_heads=3,
    intermediate_size=37,
    max_position_embeddings=61,
    hidden_dropout_prob=0.0,
    attention_probs_dropout_prob=0.0,
)
PEERS: dict[Objective, Any] = {
    "mlm+nsp": transformers.BertForPreTraining,
    "mlm": transformers.BertForMaskedLM,
}


def batch(folder: Path, objective: Objective, rows: int = 13) -> PretrainingBatch:
    documents = small_corpus.documents(folder / "shards", 20)
    instances = make_instances(objective, documents, np.arange(20), 60, 0)
    examples = PretrainingExamples(documents, instances, Masking(TOKENIZER), TOKENIZER, 60, 0)
    return examples.batch(np.arange(rows))


def written_by_transformers(folder: Path, objective: Objective) -> Any:
    torch.manual_seed(0)
    peer = PEERS[objective](transformers.BertConfig(**CONFIG.to_dict("BertForPreTraining"))).eval()
    for parameter in peer.parameters():
        parameter.data += torch.empty_like(parameter).uniform_(-0.3, 0.3)
    peer.save_pretrained(folder)
    TOKENIZER.save(folder)
    return peer


def read(folder: Path, objective: Objective) -> PreTraining:
    opened = ModelFolder.open(folder)
    model = PreTraining(opened.config, pairs=objective != "mlm").eval()
    assert opened.load_into(model).describe() is None
    return model


def peer_loss(peer: Any, batch: PretrainingBatch, objective: Objective) -> Any:
    """transformers' output for the same sequences, labels -100 wherever nothing is to be guessed."""
    inputs = padded(batch.tokens)
    flat = torch.full_like(batch.tokens.ids, -100)
    flat[batch.masked_positions] = batch.masked_labels
    labels = torch.nn.utils.rnn.pad_sequence(
        flat.split(batch.tokens.cu_seqlens.diff().tolist()), batch_first=True, padding_value=-100
    )
    pairs = {"next_sentence_label": batch.pair_labels} if objective == "mlm+nsp" else {}
    return peer(**inputs, labels=labels, **pairs)


@pytest.mark.parametrize("objective", PEERS)
def test_losses_and_gradients(objective: Objective, tmp_path: Path):
    """The sum of the two means, each of them, and the gradient of every parameter, the tied matrix included."""
    peer = written_by_transformers(tmp_path / "theirs", objective)
    model, task, some = read(tmp_path / "theirs", objective), Pretraining(objective), batch(tmp_path, objective)
    counts = task.counts(some)
    losses = {name: value / counts[name] for name, value in task.losses(model, some).items()}
    theirs = peer_loss(peer, some, objective)
    total = torch.stack([*losses.values()]).sum()
    assert total.item() == pytest.approx(theirs.loss.item(), abs=LOGITS)
    assert largest_difference(gradients(model, total), gradients(peer, theirs.loss)) < GRADIENTS


def test_each_loss_is_transformers(tmp_path: Path):
    peer = written_by_transformers(tmp_path / "theirs", "mlm+nsp")
    model, some = read(tmp_path / "theirs", "mlm+nsp"), batch(tmp_path, "mlm+nsp")
    task = Pretraining("mlm+nsp")
    with torch.no_grad():
        losses, counts = task.losses(model, some), task.counts(some)
        theirs = peer_loss(peer, some, "mlm+nsp")
    nsp = torch.nn.functional.cross_entropy(theirs.seq_relationship_logits, some.pair_labels)
    assert float(losses["nsp_loss"] / counts["nsp_loss"]) == pytest.approx(float(nsp), abs=LOGITS)
    assert float(losses["mlm_loss"] / counts["mlm_loss"]) == pytest.approx(float(theirs.loss - nsp), abs=LOGITS)
    tally = task.tally()
    with torch.no_grad():
        tally.add(task.outputs(model, some).numpy(), some)
    measured = tally.metrics()
    assert measured["loss"] == pytest.approx(float(theirs.loss), abs=LOGITS)
    assert measured["nsp_accuracy"] == pytest.approx(
        float((theirs.seq_relationship_logits.argmax(1) == some.pair_labels).float().mean())
    )
    assert measured["perplexity"] == pytest.approx(np.exp(measured["mlm_loss"]))


@pytest.mark.parametrize("objective", PEERS)
def test_folders_both_ways(objective: Objective, tmp_path: Path):
    """What they wrote we read, what we write they read; equal weights, equal logits, no remark on either side."""
    peer = written_by_transformers(tmp_path / "theirs", objective)
    ours, some = read(tmp_path / "theirs", objective), batch(tmp_path, objective)
    write_model_folder(tmp_path / "ours", ours, CONFIG, TOKENIZER)
    back, remarks = PEERS[objective].from_pretrained(tmp_path / "ours", output_loading_info=True)
    assert not any(remarks.values()), remarks
    for name, tensor in peer.state_dict().items():
        assert torch.equal(back.state_dict()[name], tensor), name
    with torch.no_grad():
        vocabulary, pairs = ours(some.tokens, some.masked_positions)
        theirs = peer_loss(back.eval(), some, objective)
    logits = theirs.prediction_logits if objective == "mlm+nsp" else theirs.logits
    lengths = some.tokens.cu_seqlens.diff().tolist()
    flat = torch.cat([row[:length] for row, length in zip(logits, lengths, strict=True)])
    torch.testing.assert_close(vocabulary, flat[some.masked_positions], rtol=0, atol=LOGITS)
    if pairs is not None:
        torch.testing.assert_close(pairs, theirs.seq_relationship_logits, rtol=0, atol=LOGITS)


def test_an_older_file_names_its_tied_decoder(tmp_path: Path):
    """A pytorch_model.bin repeats the tied tensors: known, so not worth a word."""
    peer = written_by_transformers(tmp_path / "theirs", "mlm+nsp")
    (tmp_path / "theirs" / "model.safetensors").unlink()
    torch.save(peer.state_dict(), tmp_path / "theirs" / "pytorch_model.bin")
    assert any("decoder" in name for name in peer.state_dict())
    read(tmp_path / "theirs", "mlm+nsp")


def test_an_untied_decoder_is_refused(tmp_path: Path):
    peer = written_by_transformers(tmp_path / "theirs", "mlm+nsp")
    (tmp_path / "theirs" / "model.safetensors").unlink()
    state = peer.state_dict()
    torch.save(
        state | {"cls.predictions.decoder.weight": state["cls.predictions.decoder.weight"] + 1},
        tmp_path / "theirs" / "pytorch_model.bin",
    )
    with pytest.raises(ModelFolderError, match=r"decoder\.weight is not bert.embeddings.word_embeddings.weight"):
        read(tmp_path / "theirs", "mlm+nsp")
