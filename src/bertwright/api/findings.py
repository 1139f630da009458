"""What the checks found in the files of a run: kept in `run/findings.json`, and said once, not at each resume."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bertwright.api.common import say, warn
from bertwright.errors import DataError
from bertwright.files import read_json, write_json
from bertwright.tasks.checks.files import LabelledFiles, named
from bertwright.tasks.checks.finding import Finding
from bertwright.tasks.checks.listed import worst_first
from bertwright.text.complaints import counted, place
from bertwright.text.tables.table import Table

FINDINGS = "findings.json"
READING, UNUSABLE = "reading", "unusable-rows"


def of_table(table: Table[Any], role: str) -> list[Finding]:
    """What reading a file to its end brought up."""
    advice = "look whether the file is read as it is meant"
    found = [Finding("warning", READING, text, advice, role=role) for text in table.warnings]
    if table.counts.skipped:
        bad = tuple(place(table.path, row.line) for row in table.bad_rows)
        text = f"{place(table.path)}: {table.counts.skipped} of {table.counts.read} rows cannot be used"
        advice = f"correct them; the first: {table.bad_rows[0].reason}"
        found.append(Finding("warning", UNUSABLE, text, advice, bad, role))
    return found


def counts_of(files: LabelledFiles) -> dict[str, Any]:
    """The task, and of each file its path, rows and labels."""
    roles = {
        role: {"path": str(rows.path), "rows": len(rows), "labels": dict(Counter(named(rows)).most_common())}
        for role, rows in files.rows.items()
    }
    return {"task": files.task.name, "files": roles}


def keep_findings(counts: Mapping[str, Any], findings: Sequence[Finding], folder: Path, *, quiet: bool = False) -> None:
    """Warn of errors and warnings, unless the folder has the same findings already; keep all, notes too.

    Args:
        counts: What was read, which is kept as well.
        findings: What was found; that of reading was said then.
        folder: That of the run.
        quiet: Whether what was said before is passed over in silence.
    """
    ordered = worst_first(list(findings))
    path, kept = folder / FINDINGS, {**counts, "findings": [finding.to_dict() for finding in ordered]}
    worth_saying = [finding for finding in ordered if finding.severity != "note"]
    if _before(path) != kept:
        for finding in worth_saying:
            if finding.check not in (READING, UNUSABLE):
                warn(str(finding))
        write_json(path, kept)
    elif worth_saying:
        say(f"of the files {counted(len(worth_saying), 'thing')} said before: see {path}", quiet=quiet)


def said_before(folder: Path) -> set[str]:
    """What reading the files of this run brought up, as far as it was said before."""
    match _before(folder / FINDINGS):
        case {"findings": list(findings)}:
            return {str(found["text"]) for found in findings if found.get("check") == READING}
    return set()


def _before(path: Path) -> object:
    """What is kept there; nothing where nothing is, or what is damaged."""
    if not path.exists():
        return None
    try:
        return read_json(path)
    except DataError:
        return None
