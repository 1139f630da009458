"""The house rules that a machine can hold: imports point up the list of rooms, and what no file may do.

Read from the source alone (`ast`), imports inside functions included; nothing is imported here.
"""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
PACKAGE = REPOSITORY / "src" / "bertwright"
# Data flows down this list (docs/ARCHITECTURE.md); imports only point up it.
ROOMS = [
    "errors", "files", "hub", "settings", "text", "model", "batches", "tasks", "training", "evaluation", "tuning",
    "serving", "api", "flags", "cli",
]  # fmt: skip
FRONT_DOOR = {"bertwright", "bertwright.__main__"}  # public names for users: joins rooms, holds nothing
# The last one sets what the tokenizers library in its own worker processes can be told in no other way.
ENVIRONMENT_READERS = {"training/device.py", "model/hub.py", "text/preparing/workers.py"}
# Where the name to import is not the name to install.
DISTRIBUTIONS = {"sklearn": "scikit-learn", "yaml": "pyyaml", "mlflow": "mlflow-skinny"}
FILES = sorted(PACKAGE.rglob("*.py"))


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in FILES}


def imports(path: Path) -> Iterator[str]:
    """Full names of the modules that a file imports, anywhere in it."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import; write the full name"
            for alias in node.names:
                submodule = f"{node.module}.{alias.name}"
                yield submodule if submodule in MODULES else str(node.module)


def own_imports(name: str) -> set[str]:
    return {target for target in imports(MODULES[name]) if target.partition(".")[0] == "bertwright"} - FRONT_DOOR


def room(name: str) -> int:
    return ROOMS.index(name.split(".")[1])


def test_every_module_is_in_a_room() -> None:
    homeless = {name for name in MODULES if name not in FRONT_DOOR and name.split(".")[1] not in ROOMS}
    assert homeless == set(), "put the new room into ROOMS, and into docs/ARCHITECTURE.md, where its imports allow"


def test_imports_point_up_the_list() -> None:
    wrong = [
        f"{name} imports {target}"
        for name in MODULES.keys() - FRONT_DOOR
        for target in own_imports(name)
        if room(target) > room(name)
    ]
    assert wrong == []


def test_no_module_imports_itself_in_a_circle() -> None:
    TopologicalSorter({name: own_imports(name) for name in MODULES}).prepare()  # CycleError names the circle


def test_text_is_free_of_torch() -> None:
    assert [name for name in MODULES if name.startswith("bertwright.text") and "torch" in third_party(name)] == []


def third_party(name: str) -> set[str]:
    roots = {target.partition(".")[0] for target in imports(MODULES[name])}
    return roots - sys.stdlib_module_names - {"bertwright"}


def declared(*extras: str) -> set[str]:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = project["dependencies"] + [line for extra in extras for line in project["optional-dependencies"][extra]]
    return {re.split(r"[^\w.-]", line)[0].lower() for line in lines}


def test_what_is_imported_is_declared() -> None:
    used = {DISTRIBUTIONS.get(package, package) for name in MODULES for package in third_party(name)}
    assert used - declared("tensorboard", "wandb", "mlflow", "zh", "tune") == set()


def test_what_is_declared_is_imported() -> None:
    used = {DISTRIBUTIONS.get(package, package) for name in MODULES for package in third_party(name)}
    assert declared() - used == set()


def places(*names: str) -> list[str]:
    """`file:line` of everything in the package that reads or calls one of the dotted `names`."""
    return [
        f"{path.relative_to(PACKAGE).as_posix()}:{node.lineno}"
        for path in FILES
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Name | ast.Attribute) and ast.unparse(node) in names
    ]


def test_only_these_files_read_the_environment() -> None:
    readers = places("os.environ", "os.environb", "os.getenv", "os.putenv", "environ", "getenv")
    assert [place for place in readers if place.partition(":")[0] not in ENVIRONMENT_READERS] == []


def test_nothing_runs_code_out_of_a_file() -> None:
    assert places("eval", "exec", "yaml.load", "yaml.unsafe_load", "yaml.full_load", "yaml.Loader") == []
    unsafe = {"pickle", "marshal", "shelve", "dill", "joblib"}
    assert [name for name, path in MODULES.items() if unsafe.intersection(imports(path))] == []
    calls = [node for path in FILES for node in ast.walk(tree(path)) if isinstance(node, ast.Call)]
    loads = [ast.unparse(call) for call in calls if ast.unparse(call.func) == "torch.load"]
    assert [load for load in loads if "weights_only=True" not in load] == []


def test_the_library_does_not_print() -> None:
    assert places("print") == [], "results go to sys.stdout from api, everything else to sys.stderr"


def test_every_module_says_what_it_is() -> None:
    silent = [name for name, path in MODULES.items() if not (ast.get_docstring(tree(path)) or "").strip()]
    assert silent == [], "a module opens with what it does"


def test_public_functions_and_classes_are_explained() -> None:
    bare = [
        f"{name}.{node.name}"
        for name, path in MODULES.items()
        for node in tree(path).body
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")
        if not ast.get_docstring(node)
    ]
    assert bare == []


def published_files() -> Iterator[Path]:
    """The text files that a clone has: those of the repository's own folders and at its top."""
    folders = [REPOSITORY / name for name in ("src", "tests", "bench", "docs", ".ci")]
    yield from (path for path in REPOSITORY.iterdir() if path.is_file())
    yield from (path for folder in folders for path in folder.rglob("*") if path.is_file())


def test_no_file_names_a_place_on_one_machine() -> None:
    private = re.compile(rb"/(?:work|root)/")
    named = [path for path in published_files() if path.suffix != ".pyc" and private.search(path.read_bytes())]
    assert named == []
