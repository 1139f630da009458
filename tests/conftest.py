"""What the whole suite shares: checked shapes, the places of real data and of MiniLM, no sockets but loopback."""

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import settings

import shape_checks

shape_checks.install()
# No test depends on how busy the machine is; a change is judged by the same examples each time, by hand by new ones.
settings.register_profile("suite", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("suite")

_ASKED = ("get_capabilities", "_is_amx_tile_supported", "_is_avx512_bf16_supported")
CAPABILITIES = {name: getattr(torch.cpu, name) for name in _ASKED if hasattr(torch.cpu, name)}

REPOSITORY = Path(__file__).resolve().parent.parent


def _real_folder(variable: str, default: Path, what: str) -> Path:
    folder = Path(os.environ.get(variable, default))
    if not folder.is_dir():
        if os.environ.get("BERTWRIGHT_REQUIRE_DATA"):
            pytest.fail(f"{what} not found at {folder}: set {variable}")
        pytest.skip(f"NOT TESTED: {what} not found at {folder}; set {variable} to run this test")
    return folder


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of real data sets."""
    return _real_folder("BERTWRIGHT_DATA", REPOSITORY.parent / "shared" / "data", "real data sets")


@pytest.fixture(scope="session")
def minilm_dir() -> Path:
    """A real pre-trained BERT (MiniLM, 6 layers, hidden size 384, uncased)."""
    return _real_folder("BERTWRIGHT_MINILM", REPOSITORY / ".cache" / "minilm", "the MiniLM checkpoint")


@pytest.fixture(scope="session", autouse=True)
def _auto_is_fp32_on_every_cpu() -> Iterator[None]:
    """What is compared to the last digits is so in fp32 alone, which `auto` is not on a CPU that is fast at bf16."""
    slow: dict[str, Callable[[], object]] = {name: lambda: False for name in CAPABILITIES}
    if "get_capabilities" in slow:
        own = {name: has for name, has in torch.cpu.get_capabilities().items() if "bf16" not in name}
        slow["get_capabilities"] = lambda: own
    with pytest.MonkeyPatch.context() as patch:
        for name, answer in slow.items():
            patch.setattr(torch.cpu, name, answer)
        yield


@pytest.fixture
def auto_by_this_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """`auto` as it is in a process of its own."""
    for name, answer in CAPABILITIES.items():
        monkeypatch.setattr(torch.cpu, name, answer)


@pytest.fixture(autouse=True)
def _only_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests run offline: connecting anywhere but this machine is an error."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: object) -> None:
        if isinstance(address, tuple) and address[0] not in {"127.0.0.1", "::1", "localhost"}:
            pytest.fail(f"a test opened a connection to {address}")
        connect(self, address)  # type: ignore[arg-type]

    monkeypatch.setattr(socket.socket, "connect", guarded)
