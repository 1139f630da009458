"""`load`: a model folder → what answers with it. What the folder holds decides which predictor that is."""

from pathlib import Path

from bertwright.model.folder import ModelFolder
from bertwright.model.hub import resolve_model
from bertwright.serving.masked_predictor import MaskedPredictor
from bertwright.serving.predictor import Predictor
from bertwright.tasks.kinds import task_of_folder
from bertwright.training.device import Compute, keep_freed_memory


def load(
    model: str | Path,
    *,
    device: str = "auto",
    precision: str = "auto",
    max_length: int | None = None,
    batch_tokens: int = 4096,
    top_k: int = 5,
) -> Predictor | MaskedPredictor:
    """Load a model: a fine-tuned one answers with labels, a pre-trained one fills [MASK]s and judges pairs.

    Args:
        model: Its folder, or a hub name.
        device: auto, cpu, cuda or cuda:N.
        precision: auto, fp32 or bf16.
        max_length: Longest sequence in tokens; as in training when None.
        batch_tokens: Tokens computed at a time.
        top_k: How many tokens a pre-trained model names for each [MASK].

    Raises:
        BertwrightError: The folder is neither a fine-tuned nor a pre-trained BERT, or the device does not exist.
    """
    keep_freed_memory()
    folder, compute = ModelFolder.open(resolve_model(str(model))), Compute.create(device, precision)
    if task_of_folder(folder):
        return Predictor(folder, compute, max_length=max_length, batch_tokens=batch_tokens)
    return MaskedPredictor(folder, compute, max_length=max_length, batch_tokens=batch_tokens, top_k=top_k)
