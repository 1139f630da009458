"""The exception tree: every error a user can cause says what, where and what to do, in one line.

    BertwrightError          the run failed                                (exit code 1)
    ├── UsageError           the command itself was wrong                  (exit code 2)
    ├── DataError            a labelled file or a text does not hold what it should
    ├── ModelFolderError     a model folder is incomplete, damaged or not a BERT
    ├── HubError             a model name could not be turned into a folder
    ├── SnapshotError        a snapshot is damaged or belongs to another run
    └── TrainingError        the training itself went wrong (a loss that is not finite)

Knows nothing of the rest of the package: any module may raise these.
"""


class BertwrightError(Exception):
    """Base of all errors meant for users; its text is one line that needs no traceback."""

    exit_code = 1


class UsageError(BertwrightError):
    """The command or the call was wrong: an unknown setting, a missing file, settings that contradict."""

    exit_code = 2


class DataError(BertwrightError):
    """A file with texts or labels does not hold what it should; the text names file and line."""


class ModelFolderError(BertwrightError):
    """A model folder is incomplete, damaged, or holds something other than a BERT."""


class HubError(BertwrightError):
    """A model name could not be turned into a local folder."""


class SnapshotError(BertwrightError):
    """A snapshot is damaged, or was made by a run with other settings."""


class TrainingError(BertwrightError):
    """Training cannot go on: for example, a loss or a gradient that is not finite."""
