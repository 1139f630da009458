"""The name of a model → a local folder: a folder is itself, anything else is a name on the Hugging Face hub.

Nothing opens a socket for a folder or a path. Knows nothing of what the files hold.
"""

import difflib
from pathlib import Path

from bertwright.errors import HubError, UsageError
from bertwright.hub import download
from bertwright.model.config import PRESETS

_DIGITS = "[0-9]" * 5
_FILES = [
    "config.json",
    "model.safetensors",
    "model.safetensors.index.json",
    f"model-{_DIGITS}-of-{_DIGITS}.safetensors",
    "vocab.txt",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
]
_OLD_WEIGHTS = [
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
    f"pytorch_model-{_DIGITS}-of-{_DIGITS}.bin",
]


def resolve_model(name_or_path: str) -> Path:
    """Return the folder of a model, downloading it when it is a hub name and not in the cache.

    Args:
        name_or_path: A folder, or a hub name such as `google-bert/bert-base-uncased` or `bert-base-uncased`.

    Raises:
        UsageError: It is a path without a folder there, a size preset, or can be no name on the hub.
        HubError: The hub does not know the name, wants a token, or cannot be reached and the cache is empty.
    """
    path = Path(name_or_path).expanduser()
    if path.is_dir():
        return path
    if path.exists():
        raise UsageError(f"{name_or_path} is a file: a model is the folder with config.json and the weights")
    if name_or_path.startswith((".", "~", "/")) or name_or_path.count("/") > 1 or "\\" in name_or_path:
        raise UsageError(f"no model folder {name_or_path}{_near(path)}")
    if name_or_path in PRESETS:
        raise UsageError(f"{name_or_path} is a size preset and has no weights: give a model folder or a hub name")
    return _download(name_or_path)


def _download(name: str) -> Path:
    folder = download(name, _FILES, here=f"no such folder here{_near(Path(name))}, and on the hub: ")
    if not any(folder.glob("*.safetensors")):
        download(name, [*_FILES, *_OLD_WEIGHTS], revision=folder.name)
    if not (folder / "config.json").exists():
        raise HubError(f"cannot use the model {name!r}: its repository has no config.json")
    return folder


def _near(path: Path) -> str:
    """Ask for a preset or a folder beside `path` whose name is nearly its own."""
    known = {folder.name: str(folder) for folder in path.parent.glob("*/")}
    if path.parent == Path():
        known |= {preset: preset for preset in PRESETS}
    near = difflib.get_close_matches(path.name, known, n=1)
    return f" (did you mean {known[near[0]]!r}?)" if near else ""
