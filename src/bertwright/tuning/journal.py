"""A study in a file: one worker, which holds the folder, appends a line for each change.

Optuna forgives no line that was cut off by a kill, and waits for a lock whose holder is dead; both are mended here.
"""

from pathlib import Path

JOURNAL = "journal.log"


def mend(path: Path) -> None:
    """Take off a last line that has no end, and the locks of the dead; call it while holding the folder's own lock."""
    for leftover in path.parent.glob(f"{path.name}.*"):
        leftover.unlink()
    if not path.exists():
        return
    content = path.read_bytes()
    if whole := content.rfind(b"\n") + 1:
        if whole < len(content):
            with path.open("r+b") as file:
                file.truncate(whole)
    else:
        path.unlink()
