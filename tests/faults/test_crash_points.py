"""The short form of `crash_points.py`."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("crash_points.py")


@pytest.mark.soak
@pytest.mark.skipif(not hasattr(os, "fork"), reason="NOT TESTED: no processes can be forked here")
def test_killed_at_the_lines_that_write():
    command = [sys.executable, str(PROGRAM), "--every", "131"]
    path = os.pathsep.join(filter(None, [str(PROGRAM.parent.parent), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": path}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.stdout.endswith(": all ended like an undisturbed one\n"), done.stdout + done.stderr
    assert done.returncode == 0
