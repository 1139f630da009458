"""Weights on disk: any Hugging Face BERT folder in, `model.safetensors` (and `pytorch_model.bin`) out.

Names are those of transformers with the `bert.` prefix, so a state dict of ours is what lies on disk; older
files (no prefix, `gamma` and `beta`, float16, shards) are read as well. Knows nothing of modules: the caller
says which names and shapes it expects, and initialises what was not found.
"""

import io
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from bertwright.errors import ModelFolderError
from bertwright.files import read_json, write_file

SAFETENSORS = "model.safetensors"
BIN = "pytorch_model.bin"

_BODY = ("bert.embeddings.", "bert.encoder.")
_BUFFERS = ("embeddings.position_ids", "embeddings.token_type_ids")  # constants that old versions stored
# Tensors that BERT has under two names: files of old versions repeat them under the first one.
_TIES = {
    "cls.predictions.decoder.weight": "bert.embeddings.word_embeddings.weight",
    "cls.predictions.decoder.bias": "cls.predictions.bias",
}
_LFS_POINTER = b"version https://git-lfs"


@dataclass(frozen=True, slots=True, eq=False)
class WeightsFound:
    """What a model folder holds of the tensors that were expected.

    Attributes:
        tensors: By expected name: float32, contiguous, in memory of their own.
        missing: Expected names that the folder does not hold.
        replaced: Expected names that it holds in another shape, where the caller allowed that.
        extra: Names in the folder that were not expected.
    """

    tensors: Mapping[str, Tensor]
    missing: tuple[str, ...]
    replaced: tuple[str, ...]
    extra: tuple[str, ...]

    def describe(self) -> str | None:
        """Return one line naming what starts from random values and what is left unused; None if nothing."""
        kinds = {
            "newly initialised": self.missing,
            "newly initialised, as its shape in the file is another": self.replaced,
            "not used": self.extra,
        }
        return "; ".join(f"{kind}: {_grouped(names)}" for kind, names in kinds.items() if names) or None


@dataclass(frozen=True, slots=True)
class _Stored:
    """A tensor in a file, not read yet."""

    name: str
    shape: tuple[int, ...]
    read: Callable[[], Tensor]


def read_weights(
    folder: Path, expected: Mapping[str, tuple[int, ...]], *, replaceable: tuple[str, ...] = ()
) -> WeightsFound:
    """Read the expected tensors of a model folder; shapes are checked before memory is taken.

    Args:
        folder: Holds `model.safetensors` or `pytorch_model.bin`, whole or in shards with an index.
        expected: Shapes by name, with the `bert.` prefix.
        replaceable: Beginnings of names (`classifier.`) whose tensors may have another shape in the file:
            they are then reported instead of read.

    Raises:
        ModelFolderError: There are no weights, they are damaged or not finite, a tensor of the encoder is
            missing, or a shape is wrong.
    """
    tensors: dict[str, Tensor] = {}
    repeated: dict[str, Tensor] = {}
    replaced, extra = [], []
    files = _weight_files(folder)
    for path in files:
        for stored in _stored_in(path):
            name = _our_name(stored.name, expected)
            if name is None and stored.name in _TIES and "cls.predictions.bias" in expected:
                repeated[stored.name] = _usable(stored, path)
            elif name is None:
                extra.append(stored.name)
            elif name in tensors:
                raise ModelFolderError(f"{path} holds {name} a second time, as {stored.name}")
            elif stored.shape == expected[name]:
                tensors[name] = _usable(stored, path)
            elif name.startswith(replaceable):
                replaced.append(name)
            else:
                raise ModelFolderError(_wrong_shape(path, stored, expected[name]))
    missing = tuple(name for name in expected if name not in tensors and name not in replaced)
    if lost := [name for name in missing if name.startswith(_BODY)]:
        more = f" and {len(lost) - 1} more tensors" if len(lost) > 1 else ""
        raise ModelFolderError(f"{files[0]} lacks {lost[0]}{more}: it does not hold the BERT of config.json")
    _check_ties(repeated, tensors, files[0])
    unused = (name for name in extra if not name.endswith(_BUFFERS))
    return WeightsFound(tensors, missing, tuple(replaced), tuple(unused))


def write_weights(
    folder: Path,
    state: Mapping[str, Tensor],
    *,
    weights_format: Literal["safetensors", "bin"] = "safetensors",
) -> None:
    """Write `model.safetensors`, and with "bin" also `pytorch_model.bin`, in float32; ties are stored once.

    Raises:
        BertwrightError: The disk is full, or the folder cannot be written.
    """
    stored = {name: tensor.detach().cpu().float().contiguous() for name, tensor in _without_ties(state)}
    # Not save_file: it creates files that only their owner may read.
    write_file(folder / SAFETENSORS, safetensors.torch.save(stored, metadata={"format": "pt"}))
    if weights_format == "bin":
        buffer = io.BytesIO()
        torch.save(stored, buffer)
        write_file(folder / BIN, buffer.getvalue())
    else:
        (folder / BIN).unlink(missing_ok=True)  # it would hold other weights than these


def _check_ties(repeated: Mapping[str, Tensor], tensors: Mapping[str, Tensor], path: Path) -> None:
    for name, tensor in repeated.items():
        if not torch.equal(tensor, tensors.get(_TIES[name], tensor)):
            raise ModelFolderError(f"{path}: {name} is not {_TIES[name]}: an untied decoder is not read here")


def _weight_files(folder: Path) -> list[Path]:
    for name in (SAFETENSORS, BIN):
        if (folder / name).exists():
            return [folder / name]
        if (folder / f"{name}.index.json").exists():
            return _shards(folder / f"{name}.index.json")
    raise ModelFolderError(f"{folder} holds no weights: neither {SAFETENSORS} nor {BIN}")


def _shards(index: Path) -> list[Path]:
    content = read_json(index, ModelFolderError)
    names = content.get("weight_map") if isinstance(content, dict) else None
    if not isinstance(names, dict) or not names:
        raise ModelFolderError(f"{index} has no weight_map")
    for name in names.values():
        if not isinstance(name, str) or re.fullmatch(r"[\w-][\w.-]*", name) is None:
            raise ModelFolderError(f"{index} names {name!r}, which is not a file beside it")
    return [index.with_name(name) for name in sorted(set(names.values()))]


def _stored_in(path: Path) -> Iterable[_Stored]:
    try:
        with path.open("rb") as file:
            start = file.read(len(_LFS_POINTER))
    except OSError as error:
        raise ModelFolderError(f"cannot read {path}: {error.strerror or error}") from error
    if start == _LFS_POINTER:
        raise ModelFolderError(f"{path} is a Git LFS pointer, not weights: run `git lfs pull` in its folder")
    return _stored_in_bin(path) if path.suffix == ".bin" else _stored_in_safetensors(path)


def _stored_in_safetensors(path: Path) -> Iterator[_Stored]:
    try:
        with safe_open(path, framework="pt") as opened:
            for name in opened.keys():  # noqa: SIM118 - it is no mapping
                shape = tuple(opened.get_slice(name).get_shape())
                yield _Stored(name, shape, partial(opened.get_tensor, name))
    except SafetensorError as error:
        raise ModelFolderError(f"{path} is damaged: {error}") from error


def _stored_in_bin(path: Path) -> Iterator[_Stored]:
    try:
        content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file fails in as many ways as it has bytes
        reason = "it is damaged, or holds more than tensors, and code in it is never run"
        raise ModelFolderError(f"{path} cannot be read: {reason}; use a {SAFETENSORS}") from error
    if not isinstance(content, dict) or not all(isinstance(tensor, Tensor) for tensor in content.values()):
        raise ModelFolderError(f"{path} holds no plain state dict of names and tensors")
    for name, tensor in content.items():
        yield _Stored(str(name), tuple(tensor.shape), partial(content.__getitem__, name))


def _our_name(name: str, expected: Collection[str]) -> str | None:
    """Translate a name in a file: without the `bert.` prefix, or with TensorFlow's names of a layer norm."""
    modern = re.sub(r"\.gamma$", ".weight", re.sub(r"\.beta$", ".bias", name))
    return next((candidate for candidate in (modern, f"bert.{modern}") if candidate in expected), None)


def _usable(stored: _Stored, path: Path) -> Tensor:
    tensor = stored.read()
    if not tensor.is_floating_point():
        raise ModelFolderError(f"{path}: {stored.name} is {tensor.dtype}, and quantised weights are not read")
    # A copy in any case: what safetensors returns is the mapped file, which changes when the file does.
    tensor = tensor.to(torch.float32, copy=True, memory_format=torch.contiguous_format)
    if not tensor.isfinite().all():
        raise ModelFolderError(f"{path}: {stored.name} holds values that are not finite numbers")
    return tensor


def _wrong_shape(path: Path, stored: _Stored, expected: tuple[int, ...]) -> str:
    text = f"{path}: {stored.name} has the shape {stored.shape}, not {expected}"
    if stored.name.startswith("classifier.") and stored.shape:
        return f"{text}: its classifier is for {stored.shape[0]} labels, not {expected[0]}"
    return f"{text} as config.json has it"


def _without_ties(state: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    """Leave out tensors that are an earlier one under another name, as transformers does."""
    seen = set()
    for name, tensor in state.items():
        place = (tensor.data_ptr(), tensor.shape)
        if place not in seen:
            seen.add(place)
            yield name, tensor


def _grouped(names: Iterable[str]) -> str:
    """Shorten names to their modules: `classifier (weight, bias), cls.predictions (5 tensors)`."""
    modules: dict[str, list[str]] = {}
    for name in names:
        *path, leaf = name.removeprefix("bert.").split(".")
        modules.setdefault(".".join(path[:2]), []).append(leaf)
    return ", ".join(
        f"{module} ({', '.join(leaves) if len(leaves) <= 2 else f'{len(leaves)} tensors'})"
        for module, leaves in modules.items()
    )
