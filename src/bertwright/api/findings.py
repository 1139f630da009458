"""What the checks found in the files of a run: kept in `run/findings.json`, and said once, not at each resume."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from bertwright.api.common import say, warn
from bertwright.errors import DataError
from bertwright.files import read_json, write_json
from bertwright.tasks.checks.files import LabelledFiles, named
from bertwright.tasks.checks.finding import Finding

FINDINGS = "findings.json"


def keep_findings(files: LabelledFiles, findings: Sequence[Finding], folder: Path, *, quiet: bool = False) -> None:
    """Warn of errors and warnings, unless the folder has the same findings already; keep all, notes too.

    Args:
        files: What was read: its counts are kept as well.
        findings: The worst first.
        folder: That of the run.
        quiet: Whether what was said before is passed over in silence.
    """
    roles = {
        role: {"path": str(rows.path), "rows": len(rows), "labels": dict(Counter(named(rows)).most_common())}
        for role, rows in files.rows.items()
    }
    found = [finding.to_dict() for finding in findings]
    path, kept = folder / FINDINGS, {"task": files.task.name, "files": roles, "findings": found}
    worth_saying = [finding for finding in findings if finding.severity != "note"]
    if _before(path) != kept:
        for finding in worth_saying:
            warn(str(finding))
        write_json(path, kept)
    elif worth_saying:
        say(f"of the files {len(worth_saying)} things were said before: they are in {path}", quiet=quiet)


def _before(path: Path) -> object:
    """What is kept there; nothing where nothing is, or what is damaged."""
    if not path.exists():
        return None
    try:
        return read_json(path)
    except DataError:
        return None
