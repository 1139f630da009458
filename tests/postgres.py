"""A PostgreSQL of the tests' own: from the `pgserver` wheel, which carries one, or the one on the PATH."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest


@contextmanager
def postgres() -> Iterator[str]:
    """Yield the URL of a database that listens on a socket in a temporary folder alone."""
    programs = _programs()
    if programs is None:
        missing = "no PostgreSQL: pip install pgserver, or put initdb and postgres on the PATH"
        if os.environ.get("BERTWRIGHT_REQUIRE_POSTGRES"):
            pytest.fail(missing)
        pytest.skip(f"NOT TESTED: {missing}")
    with tempfile.TemporaryDirectory(prefix="pg") as name:  # a short one: the name of a socket has 107 characters
        folder = Path(name)
        user, programs = _unprivileged(folder, programs)
        data = folder / "data"
        _run(user, programs / "initdb", "-D", data, "-U", "me", "--auth=trust", "--no-sync", "--locale=C", "-E", "UTF8")
        options = f"-c listen_addresses='' -c unix_socket_directories='{folder}' -c fsync=off"
        control = [programs / "pg_ctl", "-D", data, "-w"]
        _run(user, *control, "-t", "60", "-l", folder / "log", "-o", options, "start")
        try:
            yield f"postgresql+psycopg://me@/postgres?host={folder}"
        finally:
            _run(user, *control, "-m", "immediate", "stop")


def _programs() -> Path | None:
    """The folder of PostgreSQL's programs."""
    wheel = find_spec("pgserver")
    if wheel is not None and wheel.origin is not None:  # not imported: it makes folders in the user's home
        return Path(wheel.origin).parent / "pginstall" / "bin"
    found = shutil.which("initdb")
    return Path(found).resolve().parent if found and shutil.which("postgres") else None


def _unprivileged(folder: Path, programs: Path) -> tuple[list[str], Path]:
    """PostgreSQL refuses to run as root: words that make it another user then, and programs that this one can run."""
    if os.geteuid() != 0:
        return [], programs
    shutil.chown(folder, "nobody")
    user = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]
    if subprocess.run([*user, "test", "-x", programs / "postgres"], check=False).returncode:
        shutil.copytree(programs.parent, folder / "install", symlinks=True)
        programs = folder / "install" / programs.name
    return user, programs


def _run(user: list[str], *words: object) -> None:
    done = subprocess.run([*user, *map(str, words)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
