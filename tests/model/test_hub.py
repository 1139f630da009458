"""Model names: folders stay folders; hub names are downloaded from a hub-like server on this machine."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bertwright.errors import UsageError
from bertwright.model.hub import resolve_model
from hub_server import COMMIT, TOKEN, Hub, Repository, serve

MODEL = {
    "config.json": b'{"model_type": "bert"}',
    "model.safetensors": bytes(range(256)) * 64,
    "vocab.txt": b"[PAD]\n[UNK]\n",
    "tokenizer.json": b"{}",
    "tokenizer_config.json": b"{}",
    "special_tokens_map.json": b"{}",
}
NOT_WANTED = {
    "README.md": b"#",
    "pytorch_model.bin": b"bin",
    "tf_model.h5": b"h5",
    "modeling_evil.py": b"import os",
    "onnx/model.safetensors": b"onnx",
    "onnx/config.json": b"{}",
    "model-../../x-of-00001.safetensors": b"up",
    "../../../../config.json": b"up",
}
OLD = {"config.json": b"{}", "vocab.txt": b"[PAD]\n", "pytorch_model.bin": b"old weights", "flax_model.msgpack": b"x"}


@pytest.fixture
def hub() -> Iterator[Hub]:
    repositories = {
        "google-bert/bert-base-uncased": Repository(MODEL | NOT_WANTED),
        "someone/old": Repository(OLD),
        "someone/sharded": Repository(
            {
                "config.json": b"{}",
                "model.safetensors.index.json": b"{}",
                "model-00001-of-00002.safetensors": b"1",
                "model-00002-of-00002.safetensors": b"2",
            }
        ),
        "someone/secret": Repository(MODEL, private=True),
        "someone/gated": Repository(MODEL, gated=True),
        "someone/dataset": Repository({"data.csv": b"a,b\n"}),
    }
    with serve(Hub(repositories, redirects={"bert-base-uncased": "google-bert/bert-base-uncased"})) as running:
        yield running


@dataclass(frozen=True)
class Resolved:
    """What a process of its own made of a name: a folder or an error, and where it connected to."""

    folder: Path
    error: str
    addresses: list[str]


# The hub library reads its variables when it is imported, so every call is a process.
RESOLVE = """
import json, sys
addresses = []
def watch(event, arguments):
    if event == "socket.connect" and isinstance(arguments[1], tuple):
        addresses.append(arguments[1][0])
    if event == "socket.getaddrinfo":
        addresses.append(str(arguments[0]))
sys.addaudithook(watch)
from bertwright.errors import BertwrightError
from bertwright.model.hub import resolve_model
for name in sys.argv[1:]:
    folder, error = "", ""
    try:
        folder = str(resolve_model(name))
    except BertwrightError as reason:
        error = f"{type(reason).__name__}: {reason}"
    print(json.dumps([folder, error, sorted(set(addresses))]))
assert "torch" not in sys.modules
"""


def resolve_all(names: list[str], home: Path, hub: Hub | None = None, **variables: str) -> list[Resolved]:
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "TRANSFORMERS_"))}
    clean |= {"HF_HOME": str(home), "HF_ENDPOINT": hub.endpoint if hub else "http://127.0.0.1:1", **variables}
    clean["PYTHONPATH"] = os.pathsep.join(str(Path(entry).absolute()) for entry in sys.path)  # cwd is another
    done = subprocess.run(
        [sys.executable, "-c", RESOLVE, *names],
        env=clean, cwd=home.parent, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[")]
    return [Resolved(Path(folder), error, addresses) for folder, error, addresses in answers]


def resolve(name: str, home: Path, hub: Hub | None = None, **variables: str) -> Resolved:
    return resolve_all([name], home, hub, **variables)[0]


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def test_a_download_takes_what_a_model_needs_and_lands_in_hf_home(hub: Hub, home: Path):
    found = resolve("google-bert/bert-base-uncased", home, hub)
    assert not found.error
    assert found.folder.is_relative_to(home)
    assert found.folder.name == COMMIT
    assert content(found.folder) == MODEL
    assert found.addresses == ["127.0.0.1"]
    assert {authorization for _, _, authorization in hub.requests} == {None}
    assert [path for path in home.parent.iterdir() if path != home] == []  # nothing beside the cache


def test_a_second_call_downloads_nothing(hub: Hub, home: Path):
    first = resolve("google-bert/bert-base-uncased", home, hub)
    hub.requests.clear()
    assert resolve("google-bert/bert-base-uncased", home, hub).folder == first.folder
    assert [path for method, path, _ in hub.requests if method == "GET" and "/resolve/" in path] == []


def test_a_short_name_follows_the_hubs_redirect(hub: Hub, home: Path):
    found = resolve("bert-base-uncased", home, hub)
    assert content(found.folder) == MODEL


def test_offline_works_from_the_cache_and_opens_no_socket(hub: Hub, home: Path):
    names = ["bert-base-uncased", "someone/old"]
    first = resolve_all(names, home, hub)
    again = resolve_all(names, home, hub, HF_HUB_OFFLINE="1")
    assert [found.folder for found in again] == [found.folder for found in first]
    assert again[-1].addresses == []


def test_offline_without_the_cache_says_what_to_do(hub: Hub, home: Path):
    found = resolve("google-bert/bert-base-uncased", home, hub, HF_HUB_OFFLINE="1")
    assert found.error == (
        "HubError: cannot get the model 'google-bert/bert-base-uncased': no such folder here, and on the hub: "
        "it is not whole in the cache "
        f"{home}/hub, and HF_HUB_OFFLINE is set; unset it to download"
    )
    assert hub.requests == []


def test_no_connection_uses_the_cache_or_says_so(hub: Hub, home: Path):
    first = resolve("google-bert/bert-base-uncased", home, hub)
    cached, other = resolve_all(["google-bert/bert-base-uncased", "someone/old"], home)
    assert cached.folder == first.folder
    assert other.error == (
        "HubError: cannot get the model 'someone/old': no such folder here, and on the hub: "
        "http://127.0.0.1:1 cannot be reached, "
        f"and it is not in the cache {home}/hub; check the connection"
    )


def test_a_token_opens_private_and_gated_models(hub: Hub, home: Path):
    for found in resolve_all(["someone/secret", "someone/gated"], home, hub, HF_TOKEN=TOKEN):
        assert content(found.folder) == MODEL
    sent = {authorization for _, path, authorization in hub.requests if "/someone/" in path}
    assert sent == {f"Bearer {TOKEN}"}


def test_refusals_say_what_to_do(hub: Hub, home: Path):
    names = ["someone/nothing", "someone/secret", "someone/gated", "someone/dataset"]
    here = "no such folder here, and on the hub: "
    unknown = f"{here}{hub.endpoint} has no such model, or a private one; check the name or set HF_TOKEN"
    assert [found.error for found in resolve_all(names, home, hub)] == [
        f"HubError: cannot get the model 'someone/nothing': {unknown}",
        f"HubError: cannot get the model 'someone/secret': {unknown}",
        f"HubError: cannot get the model 'someone/gated': {here}its authors want your consent; "
        f"give it at {hub.endpoint}/someone/gated and set HF_TOKEN",
        "HubError: cannot use the model 'someone/dataset': its repository has no config.json",
    ]
    known = resolve("someone/nothing", home, hub, HF_TOKEN=TOKEN)
    assert known.error == f"HubError: cannot get the model 'someone/nothing': {unknown}"


def test_a_hub_that_is_down_is_named_with_its_answer(hub: Hub, home: Path):
    hub.broken = True
    assert resolve("someone/old", home, hub).error == (
        "HubError: cannot get the model 'someone/old': no such folder here, and on the hub: "
        f"{hub.endpoint} answered 503; try again later, or check HF_TOKEN"
    )


def test_old_weights_are_fetched_only_where_there_are_no_safetensors(hub: Hub, home: Path):
    old, sharded = resolve_all(["someone/old", "someone/sharded"], home, hub)
    assert content(old.folder) == {name: data for name, data in OLD.items() if name != "flax_model.msgpack"}
    assert content(sharded.folder) == hub.repositories["someone/sharded"].files
    asked = [path for _, path, _ in hub.requests if path.endswith("/someone/old/revision/main")]
    assert len(asked) == 1  # both downloads are of one commit


def test_a_mistyped_name_is_asked_back(hub: Hub, home: Path):
    (home.parent / "my-model").mkdir()
    (home.parent / "out" / "first").mkdir(parents=True)
    for name, meant in (("tinny", "tiny"), ("my-modle", "my-model"), ("out/frist", "out/first")):
        told = f"cannot get the model {name!r}: no such folder here (did you mean {meant!r}?), and on the hub: http"
        assert resolve(name, home, hub).error.startswith(f"HubError: {told}")


# ---- what never asks the hub


def test_a_folder_is_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "google-bert" / "bert-base-uncased").mkdir(parents=True)
    for name in ("google-bert/bert-base-uncased", "./google-bert", str(tmp_path), "~/google-bert"):
        assert resolve_model(name) == Path(name).expanduser()
    assert resolve(str(tmp_path), tmp_path / "home").addresses == []


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("./nowhere", "no model folder ./nowhere"),
        ("/nowhere/at-all", "no model folder /nowhere/at-all"),
        ("~/nowhere-at-all", "no model folder ~/nowhere-at-all"),
        ("out/sst2/model", "no model folder out/sst2/model"),
        ("a/../../etc", "no model folder a/../../etc"),
        ("out\\sst2", "no model folder out\\sst2"),
        ("./out/sst", "no model folder ./out/sst (did you mean 'out/sst2'?)"),
        ("tiny", "tiny is a size preset and has no weights: give a model folder or a hub name"),
        ("file.txt", "file.txt is a file: a model is the folder with config.json and the weights"),
        ("google-bert/..", "no model folder 'google-bert/..', and no name on the hub looks like it"),
        ("-bert", "no model folder '-bert', and no name on the hub looks like it"),
        ("bert base", "no model folder 'bert base', and no name on the hub looks like it"),
        ("bert%2fbase", "no model folder 'bert%2fbase', and no name on the hub looks like it"),
        ("x" * 200, f"no model folder '{'x' * 200}', and no name on the hub looks like it"),
    ],
)
def test_what_can_be_no_name_is_refused_without_a_socket(
    name: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "out" / "sst2").mkdir(parents=True)
    (tmp_path / "file.txt").write_text("x")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("socket.socket.connect", lambda *_: pytest.fail("a socket was opened"))
    with pytest.raises(UsageError, match=f"^{re.escape(told)}$"):
        resolve_model(name)
