"""The output folder of a run: may it be used, does it hold a run to go on with, is that run the same?

`OUT/run/settings.yaml` has the resolved settings, `data.json` the hashes of what the run began with, and
`finished.json` is there once the model folder is whole.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree
from typing import Any

from bertwright.errors import UsageError
from bertwright.files import read_json, sha256_file, write_file, write_json
from bertwright.settings import FinetuneSettings
from bertwright.settings.yaml_file import read_yaml

_LOCK = "lock"


@dataclass(frozen=True, slots=True)
class RunFolder:
    """`OUT` and what is in `OUT/run`."""

    output: Path

    @property
    def run(self) -> Path:
        """Where the run's own files lie."""
        return self.output / "run"

    @property
    def finished(self) -> Path:
        """There once the model folder is whole."""
        return self.run / "finished.json"

    def prepare(self, *, overwrite: bool) -> None:
        """Make the folder, or see that what is in it may be used.

        Raises:
            UsageError: It holds something that is not a run of ours.
        """
        if self.output.is_dir() and any(self.output.iterdir()) and not self.run.is_dir() and not overwrite:
            raise UsageError(
                f"{self.output} is not empty and holds no run: choose another --output-dir, or pass --overwrite to "
                "write the model into it"
            )
        self.run.mkdir(parents=True, exist_ok=True)

    def clear(self) -> None:
        """Remove the run that is there, but for the lock that we hold."""
        for path in self.run.iterdir():
            if path.name == _LOCK:
                continue
            if path.is_dir():
                rmtree(path)
            else:
                path.unlink()

    def begin(self, settings: FinetuneSettings, origin: Mapping[str, Any]) -> None:
        """Write down what the run begins with, or check that the run that is there began with the same.

        Raises:
            UsageError: A setting or a file has changed since; the text names each with both values.
        """
        settings_file, origin_file = self.run / "settings.yaml", self.run / "data.json"
        if not (settings_file.exists() and origin_file.exists()):
            write_json(origin_file, origin)
            write_file(settings_file, settings.to_yaml())
            return
        changed = _differences(settings_file, settings) + _changed_files(read_json(origin_file), origin)
        if changed:
            raise UsageError(
                f"{self.output} holds a run with other settings: {'; '.join(changed)}; go on with the old ones, "
                "choose another --output-dir, or start anew with --overwrite"
            )


def _differences(settings_file: Path, settings: FinetuneSettings) -> list[str]:
    before = {name: value for name, value, _ in read_yaml(settings_file)}
    now = settings.model_dump(mode="json")
    fixed = now.keys() - settings.free_on_resume()
    return [
        f"{name} was {before.get(name)}, now {now[name]}"
        for name in now
        if name in fixed and before.get(name) != now[name]
    ]


def _changed_files(before: object, now: Mapping[str, Any]) -> list[str]:
    assert isinstance(before, dict)
    return [
        f"{role} ({now[role]['path']}) has other content now"
        for role in now
        if role in before and before[role]["sha256"] != now[role]["sha256"]
    ]


def file_origin(path: Path) -> dict[str, str]:
    """Where a file lies and the SHA-256 of its content."""
    return {"path": str(path), "sha256": sha256_file(path)}
