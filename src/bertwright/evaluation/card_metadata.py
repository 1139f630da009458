"""The metadata of a model card, as Hugging Face reads it: what the model is for, and its figures (`model-index`).

The form is that of huggingface.co/docs/hub/model-cards; `huggingface_hub.ModelCard` reads it back in the tests.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from bertwright.evaluation.report.record import RunRecord
from bertwright.model.config import PRESETS
from bertwright.settings.yaml_file import to_yaml
from bertwright.tasks.figures import is_quality

_THEIR_NAMES: Mapping[str, str] = MappingProxyType({"pearson": "pearsonr", "spearman": "spearmanr"})
_HUB_NAME = re.compile(r"[\w.-]+(/[\w.-]+)?")
_HEAD = re.compile(r"\A---\n(.*?)\n---\n", re.DOTALL)


def metadata(pipeline: str, record: RunRecord | None = None) -> str:
    """The YAML between two lines of dashes.

    Args:
        pipeline: The task, as Hugging Face calls it.
        record: The run; without one there are no figures.
    """
    values: dict[str, Any] = {"library_name": "transformers", "pipeline_tag": pipeline}
    values["tags"] = ["bert", pipeline, "bertwright"]
    if record is not None:
        values |= _origin(record) | {"model-index": [{"name": record.name, "results": [_results(pipeline, record)]}]}
    return f"---\n{to_yaml(values)}---"


def _origin(record: RunRecord) -> dict[str, Any]:
    """Base model, its language where that is known, and the files."""
    model = str(record.settings["model"])
    found: dict[str, Any] = {}
    if not Path(model).exists() and model not in PRESETS and _HUB_NAME.fullmatch(model):
        found["base_model"] = model
    if language := _language(Path(model)):
        found["language"] = language
    files = (record.settings.get(role) for role in ("train", "validation", "test"))
    found["datasets"] = list(dict.fromkeys(Path(str(file)).name for file in files if file))
    return found


def _language(model: Path) -> Any:
    """What the card of the model that the training began with says of its language."""
    try:
        head = _HEAD.match((model / "README.md").read_text(encoding="utf-8"))
        said = yaml.safe_load(head[1]) if head else None
    except (OSError, ValueError, yaml.YAMLError):
        return None
    language = said.get("language") if isinstance(said, dict) else None
    known = language if isinstance(language, list) else [language]
    return language if language and all(isinstance(name, str) for name in known) else None


def _results(pipeline: str, record: RunRecord) -> dict[str, Any]:
    """The figures of the test file; of the validation set where nothing was tested."""
    file = Path(str(record.settings.get(record.split) or record.settings["train"])).name
    return {
        "task": {"type": pipeline},
        "dataset": {"name": file, "type": file, "split": record.split},
        "metrics": list(_figures(record)),
    }


def _figures(record: RunRecord) -> Iterable[dict[str, Any]]:
    for name, value in record.figures.items():
        if is_quality(name):
            yield {"type": _THEIR_NAMES.get(name, name), "name": name, "value": value}
