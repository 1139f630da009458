"""The output folder of a run: may it be used, does it hold a run to go on with, is that run the same?

`OUT/run/settings.yaml` has the resolved settings, `data.json` the hashes of what the run began with, `snapshots` what
it goes on from, and `finished.json` is there once the model folder is whole. A run of several trainings has these as
parts, each an output folder of its own: `OUT/run/seeds/0` and so on.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from shutil import copyfile, rmtree
from typing import Any, TypeVar

from bertwright.errors import BertwrightError, DataError, SnapshotError, UsageError
from bertwright.files import make_folder, read_json, remove_leftovers, replacing, sha256_file, write_file, write_json
from bertwright.model.folder import CONFIG
from bertwright.settings import Settings
from bertwright.training.run import BEST

_LOCK, _SETTINGS, _ORIGIN, _FINISHED = "lock", "settings.yaml", "data.json", "finished.json"
_PARTS = ("seeds", "folds", "trials")
TRIAL = "trial.json"
_S = TypeVar("_S", bound=Settings)


@dataclass(frozen=True, slots=True)
class RunFolder:
    """`OUT` and what is in `OUT/run`."""

    output: Path

    @property
    def run(self) -> Path:
        """Where the run's own files lie."""
        return self.output / "run"

    @property
    def snapshots(self) -> Path:
        """Where a run that is not finished keeps what it goes on from."""
        return self.run / "snapshots"

    @property
    def diagnosis(self) -> Path:
        """What `doctor` found before the run; it may be there before all else."""
        return self.run / "doctor.json"

    @property
    def finished(self) -> bool:
        """Whether the model folder is whole."""
        return (self.run / _FINISHED).exists()

    @property
    def begun(self) -> bool:
        """Whether there is anything to go on with."""
        own = self.finished or self.newest_step or (self.run / TRIAL).exists()
        return bool(own) or any(part.begun for part in self._parts())

    @property
    def newest_step(self) -> int:
        """The step of the newest snapshot; 0 where there is none."""
        return max((int(path.name[5:]) for path in self.snapshots.glob("step-*")), default=0)

    def made(self, name: str) -> Path:
        """A file of the run, whose folder is there."""
        make_folder(self.run)
        return self.run / name

    def part(self, kind: str, name: object) -> "RunFolder":
        """The output folder of one of several trainings; `kind` is what they differ in."""
        assert kind in _PARTS
        return RunFolder(self.run / kind / str(name))

    def _parts(self) -> "list[RunFolder]":
        return [RunFolder(path) for kind in _PARTS for path in _entries(self.run / kind)]

    def prepare(self, *, overwrite: bool) -> None:
        """Make the folder, or see that what is in it may be used.

        Raises:
            UsageError: It holds something that is not a run of ours.
            BertwrightError: It cannot be made.
        """
        if not any((self.run / name).exists() for name in (_LOCK, _SETTINGS)):
            if _entries(self.run) - {self.diagnosis}:
                raise UsageError(f"{self.run} is not empty and holds no run of bertwright: choose another --output-dir")
            if _entries(self.output) - {self.run} and not overwrite:
                raise UsageError(
                    f"{self.output} is not empty and holds no run: choose another --output-dir, or pass --overwrite "
                    "to write the model into it"
                )
        make_folder(self.run)

    def clear(self) -> None:
        """Remove the run that is there, but for the lock that we hold.

        Killed at any instant, this leaves a finished run, one to go on with under its own settings, or none.
        """
        first, *last = (self.run / name for name in (_FINISHED, _ORIGIN, _SETTINGS))
        for path in (first, *(_entries(self.run) - {first, *last, self.run / _LOCK}), *last):
            _remove(path)

    def begin(self, settings: Settings, origin: Mapping[str, Any]) -> bool:
        """Write down what the run begins with, or check that the run that is there began with the same.

        A run without a snapshot has nothing to lose: it begins again, with whatever was corrected since.

        Returns:
            Whether more is asked of the run that is there than before, as `grow` makes it.

        Raises:
            UsageError: A setting or a file has changed since; the text names each with both values.
            SnapshotError: What the run began with cannot be read.
        """
        if not self.begun:
            write_json(self.run / _ORIGIN, origin)
            write_file(self.run / _SETTINGS, settings.to_yaml())
            return False
        try:
            before = self.settings(type(settings))
            grown = [] if self.newest_step and not self.finished else settings.more_than(before)
            changed = _differences(before, settings, besides=grown) + _changed_files(self.origins(), origin)
        except BertwrightError as error:
            raise SnapshotError(
                f"{self.run} does not tell what its run began with ({str(error).partition(';')[0]}; it may be a run of "
                "another verb): choose another --output-dir, or start anew with --overwrite"
            ) from error
        if changed:
            raise UsageError(
                f"{self.output} holds a run with other settings: {'; '.join(changed)}; go on with the old ones, "
                "choose another --output-dir, or start anew with --overwrite"
            )
        return bool(grown)

    def settings(self, kind: type[_S]) -> _S:
        """What the run is of."""
        return kind.from_file(self.run / _SETTINGS, {})

    def origins(self) -> dict[str, dict[str, str]]:
        """Path and SHA-256 of what the run began with, by role.

        Raises:
            DataError: They cannot be read.
        """
        path = self.run / _ORIGIN
        found = read_json(path)
        if not (isinstance(found, dict) and all(isinstance(entry, dict) for entry in found.values())):
            raise DataError(f"{path} does not hold the hashes of files")
        return found

    def is_of(self, settings: Settings) -> bool:
        """Whether the run that is there, if there is one, has these settings."""
        there = (self.run / _SETTINGS).exists()
        return not there or not _differences(self.settings(type(settings)), settings)

    def grow(self, settings: Settings) -> None:
        """Take these settings, which ask for more, and be unfinished again; the model stays until there is another.

        Raises:
            UsageError: The model is no longer what the run wrote, and only its figures could be kept.
        """
        if self.finished:
            self._check_model(self)
            self.remove_spent()
            _remove(self.run / _FINISHED)
        write_file(self.run / _SETTINGS, settings.to_yaml())

    def remove_leftovers(self) -> None:
        """Remove what processes that were killed did not finish writing."""
        remove_leftovers(self.output)
        remove_leftovers(self.run)

    def finish(self, certificate: Mapping[str, object]) -> None:
        """Mark the model folder as whole; `certificate` has the hashes of its files as `sha256`."""
        write_json(self.run / _FINISHED, certificate)
        self.remove_spent()

    def changed_since_finished(self) -> list[str]:
        """Names of model files that are missing, or are not those of the certificate."""
        return self._changed_since(self)

    def _changed_since(self, finished: "RunFolder") -> list[str]:
        """Names of model files that are missing here, or are not those that this run wrote."""
        certificate = read_json(finished.run / _FINISHED)
        hashes = certificate.get("sha256") if isinstance(certificate, dict) else None
        if not isinstance(hashes, dict):
            raise DataError(f"{finished.run / _FINISHED} holds no hashes: start anew with --overwrite")
        files = {name: self.output / name for name in hashes}
        return [name for name, path in files.items() if not path.is_file() or sha256_file(path) != hashes[name]]

    def _check_model(self, finished: "RunFolder") -> None:
        for name in self._changed_since(finished):
            raise UsageError(
                f"{self.output / name} is not the file that the run wrote, and its weights are nowhere else: "
                "choose another --output-dir, or start anew with --overwrite"
            )

    def remove_spent(self) -> None:
        """Remove what a finished run no longer needs."""
        self._remove_state()
        for part in self._parts():
            part.remove_model()

    def remove_model(self) -> None:
        """Remove all but the run: what a model was like stays, and the model goes, and what it was trained from."""
        self._remove_state()
        for path in _entries(self.output) - {self.run}:
            _remove(path)

    def _remove_state(self) -> None:
        remove_leftovers(self.run)
        _remove(self.snapshots)
        _remove(self.run / BEST)

    def adopt(self, part: "RunFolder") -> None:
        """Take over the model of a finished part, and the files of its run that this one does not have itself.

        What the part began with this one did as well, now that the model is its own: a search, which does not open
        the test file, has it from there.

        The config comes last, as without it no folder is a model. A part without its model gave it away before.

        Raises:
            UsageError: That model is no longer here.
        """
        model = sorted(_files(part.output), key=lambda path: path.name == CONFIG)
        if model:
            (self.output / CONFIG).unlink(missing_ok=True)
        else:
            self._check_model(part)
        own = {_LOCK, _SETTINGS, _ORIGIN, _FINISHED}
        run = [path for path in _files(part.run) if path.name not in own]
        write_json(self.run / _ORIGIN, self.origins() | part.origins())
        _copy([*run, *model], part.output, self.output)

    def become_part(self, whole: "RunFolder", settings: Settings) -> None:
        """Be the finished run of a single training that is one of several now, with these settings; without its model.

        Its certificate comes last, as without it the part is not finished.
        """
        write_file(self.made(_SETTINGS), settings.to_yaml())
        run = [path for path in _files(whole.run) if path.name not in (_LOCK, _SETTINGS)]
        _copy(sorted(run, key=lambda path: path.name == _FINISHED), whole.output, self.output)


def _entries(folder: Path) -> set[Path]:
    return set(folder.iterdir()) if folder.is_dir() else set()


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in _entries(folder) if path.is_file())


def _copy(paths: Iterable[Path], source: Path, target: Path) -> None:
    for path in paths:
        with replacing(target / path.relative_to(source)) as temporary:
            copyfile(path, temporary)


def _remove(path: Path) -> None:
    if path.is_dir():
        rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _differences(before: Settings, now: Settings, besides: Collection[str] = ()) -> list[str]:
    old, new = before.model_dump(mode="json"), now.model_dump(mode="json")
    changed = [name for name in new if old[name] != new[name] and name not in {*now.free_on_resume(), *besides}]
    fewer = before.more_than(now)
    return [f"{name} was {old[name]}, now {new[name]}{' (it can only grow)' * (name in fewer)}" for name in changed]


def _changed_files(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    return [
        f"{role} ({entry['path']}) has other content now"
        for role, entry in now.items()
        if role in before and before[role].get("sha256") != entry["sha256"]
    ]


def file_origin(path: Path) -> dict[str, str]:
    """Where a file lies and the SHA-256 of its content."""
    return {"path": str(path), "sha256": sha256_file(path)}
