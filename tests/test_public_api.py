"""The public names of the package, and what is loaded when: the package and its help must answer at once."""

import ast
import importlib
import importlib.metadata
import json
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import bertwright

PUBLIC = [
    "BertwrightError",
    "ClueSettings",
    "DataError",
    "DemoSettings",
    "DoctorSettings",
    "EvaluateSettings",
    "FinetuneSettings",
    "GlueSettings",
    "HubError",
    "InspectSettings",
    "ModelFolderError",
    "PredictSettings",
    "PrepareSettings",
    "PretrainSettings",
    "ReportSettings",
    "SnapshotError",
    "SquadSettings",
    "TrainingError",
    "TuneSettings",
    "UsageError",
    "VocabSettings",
    "__version__",
    "clue",
    "demo",
    "doctor",
    "evaluate",
    "finetune",
    "glue",
    "inspect",
    "load",
    "predict",
    "prepare",
    "pretrain",
    "report",
    "squad",
    "tune",
    "vocab",
]
HEAVY = {
    "accelerate",
    "huggingface_hub",
    "jieba",
    "numpy",
    "optuna",
    "pandas",
    "pyarrow",
    "rich",
    "safetensors",
    "sklearn",
    "tensorboard",
    "tokenizers",
    "torch",
    "transformers",
}


def test_the_public_names_are_these_and_sorted() -> None:
    assert sorted(PUBLIC) == bertwright.__all__, "a public name is a promise: change the list here only on purpose"


@pytest.mark.parametrize("name", PUBLIC)
def test_each_name_is_there_and_explained(name: str) -> None:
    value = getattr(bertwright, name)
    assert value is getattr(bertwright, name)
    assert name == "__version__" or value.__doc__
    assert name in vars(bertwright), "kept from now on, so that it costs nothing the second time"


def test_every_error_is_public() -> None:
    errors = importlib.import_module("bertwright.errors")
    assert {name for name in vars(errors) if name.endswith("Error")} == {n for n in PUBLIC if n.endswith("Error")}


def test_type_checkers_see_the_same_names() -> None:
    tree = ast.parse(Path(bertwright.__file__).read_text())
    (guarded,) = (node for node in tree.body if isinstance(node, ast.If))
    imports = [alias.name for node in guarded.body if isinstance(node, ast.ImportFrom) for alias in node.names]
    assert sorted([*imports, "__version__"]) == PUBLIC


def test_no_module_bears_a_public_name() -> None:
    """Importing `bertwright.demo` would replace the function of that name by the module, whenever it happens."""
    assert {module.name for module in pkgutil.iter_modules(bertwright.__path__)} & set(PUBLIC) == set()


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'bertwright' has no attribute 'fintune'"):
        bertwright.fintune  # type: ignore[attr-defined]  # noqa: B018


def test_the_version_is_that_of_the_installed_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(vars(bertwright), "__version__", raising=False)
    monkeypatch.setattr(importlib.metadata, "version", {"bertwright": "1.2.3"}.__getitem__)
    assert bertwright.__version__ == "1.2.3"


def test_a_checkout_without_installation_has_a_version_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.delitem(vars(bertwright), "__version__", raising=False)
    monkeypatch.setattr(importlib.metadata, "version", missing)
    assert bertwright.__version__ == "0+unknown"


def loaded_by(code: str) -> set[str]:
    """Top-level modules that a fresh interpreter has loaded after running `code`."""
    script = f"{code}\nimport json, sys\nprint()\nprint(json.dumps(sorted(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in json.loads(run.stdout.splitlines()[-1])}


def running(*argv: str, code: int = 0) -> str:
    return f"from bertwright.cli import main\nassert main({list(argv)!r}) == {code}"


LISTING = "import bertwright\nassert set(bertwright.__all__) <= set(dir(bertwright))"


@pytest.mark.parametrize("code", [LISTING, running("--help"), running("--version")])
def test_the_package_and_its_overview_load_nothing_but_python(code: str) -> None:
    assert loaded_by(code) & (HEAVY | {"pydantic", "yaml", "argparse"}) == set()


@pytest.mark.parametrize(
    "code", [running("finetune", "--help"), running("init", "predict"), running("finetune", "--epochs", "0", code=2)]
)
def test_explaining_a_verb_or_refusing_a_wrong_command_loads_nothing_heavy(code: str) -> None:
    loaded = loaded_by(code)
    assert loaded & HEAVY == set()
    assert "pydantic" in loaded
