"""Snapshots: everything a run needs to go on as if it had never stopped, published whole.

A snapshot is a folder `step-00000120` with the model's weights, the optimizer's moments, the run's state as JSON,
copies of the run's own files (the log, the best weights so far), and a manifest with the SHA-256 of each. It appears
under its name only when all of it is on the disk, and what does not match its manifest is refused by name. No two
snapshots share a file, so that one damaged sector spoils one of them. There is no random state to save: order, masks
and dropout are pure functions of (seed, step). No pickle. Knows nothing of models or tasks.
"""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
from torch import Tensor

from bertwright.errors import SnapshotError
from bertwright.files import (
    damage,
    make_folder,
    publish_folder,
    read_json,
    remove_leftovers,
    write_json,
    write_manifest,
)

_PREFIX = "step-"
_STATE = "state.json"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A whole snapshot on the disk."""

    folder: Path

    @property
    def step(self) -> int:
        """Optimizer steps done when it was taken."""
        return int(self.folder.name.removeprefix(_PREFIX))

    def state(self) -> dict[str, Any]:
        """The run's state."""
        state = read_json(self.folder / _STATE, SnapshotError)
        assert isinstance(state, dict)
        return state

    def tensors(self, name: str) -> dict[str, Tensor]:
        """The tensors of one file (`model`, `optimizer`), copied into memory."""
        return safetensors.torch.load((self.folder / f"{name}.safetensors").read_bytes())

    def file(self, name: str) -> bytes:
        """The content of an attached file."""
        return (self.folder / name).read_bytes()


class Snapshots:
    """The snapshots of one run.

    Args:
        folder: Where they lie; made when the first is written.
        keep: How many of the newest stay.
    """

    def __init__(self, folder: Path, keep: int) -> None:
        self.folder, self.keep = folder, keep

    def publish(
        self,
        step: int,
        state: Mapping[str, object],
        tensors: Mapping[str, Mapping[str, Tensor]],
        attached: Mapping[str, bytes] | None = None,
    ) -> Snapshot:
        """Write the snapshot of a step, then remove the oldest beyond `keep`.

        Args:
            step: Optimizer steps done.
            state: JSON values.
            tensors: File name (without suffix) → its tensors.
            attached: Other files by name.

        Raises:
            BertwrightError: The disk is full, or the folder cannot be written; the snapshots before are unchanged.
        """
        make_folder(self.folder)
        final = self.folder / f"{_PREFIX}{step:08d}"
        if final.exists():  # refused when the run went on, or it would not be written again
            shutil.rmtree(final)
        with publish_folder(final) as folder:
            for name, values in tensors.items():
                plain = {key: value.detach().contiguous() for key, value in values.items()}
                (folder / f"{name}.safetensors").write_bytes(safetensors.torch.save(plain))
            for name, data in (attached or {}).items():
                (folder / name).write_bytes(data)
            write_json(folder / _STATE, state)
            write_manifest(folder, {"step": step})
        self._prune(step)
        return Snapshot(final)

    def _prune(self, step: int) -> None:
        """Keep the newest up to `step`; one of a later step was refused when the run went on, and goes too."""
        kept = [snapshot for snapshot in self._all() if snapshot.step <= step][-self.keep :]
        for snapshot in self._all():
            if snapshot not in kept:
                shutil.rmtree(snapshot.folder)

    def newest_whole(self, refused: Callable[[str], None]) -> Snapshot | None:
        """The newest snapshot that matches its manifest; `refused` is told why each newer one was passed over."""
        if self.folder.is_dir():
            remove_leftovers(self.folder)
        reason = None
        for snapshot in reversed(self._all()):
            reason = damage(snapshot.folder)
            if reason is None:
                return snapshot
            refused(f"snapshot {snapshot.folder.name} is damaged and not used: {reason}")
        if reason is not None:
            refused("no snapshot is whole: the run starts from its beginning")
        return None

    def _all(self) -> list[Snapshot]:
        folders = self.folder.glob(f"{_PREFIX}*") if self.folder.is_dir() else ()
        found = [Snapshot(folder) for folder in folders if folder.name.removeprefix(_PREFIX).isdecimal()]
        return sorted(found, key=lambda snapshot: snapshot.step)
