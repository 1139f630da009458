"""The commands of the README, run as they stand: in its order, in one folder, with a tiny BERT and a small table."""

import re
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "api"))
import small

README = Path(__file__).resolve().parent.parent / "README.md"
MARKED = re.compile(r"<!-- runs in tests/test_readme.py -->\n```(bash|python)\n(.*?)```", re.DOTALL)


def test_the_readme_runs(tmp_path: Path):
    blocks = MARKED.findall(README.read_text("utf-8"))
    assert [language for language, _ in blocks] == ["bash", "bash", "python"]
    small.write_bert(tmp_path / "BERT", positions=128)
    small.write_csv(tmp_path / "train.csv", small.rows(60))
    small.write_csv(tmp_path / "test.csv", small.rows(12, seed=1))
    said = ""
    for language, code in blocks:
        ours = code.replace("bertwright ", f"{sys.executable} -m bertwright ") if language == "bash" else code
        command = ["bash", "-euo", "pipefail", "-c"] if language == "bash" else [sys.executable, "-c"]
        done = subprocess.run([*command, ours], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        said += done.stdout
    assert "true \\ predicted" in said  # evaluate's report
    assert '"text": "a text from a pipe"' in said
    assert len((tmp_path / "predictions.jsonl").read_text().splitlines()) == 12
