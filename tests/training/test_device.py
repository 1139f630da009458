"""Device and precision: what is asked for must exist, and `auto` takes what is fast here."""

import subprocess
import sys
from dataclasses import replace

import pytest
import torch

import tiny
from bertwright.errors import UsageError
from bertwright.text.complaints import counted
from bertwright.training.device import Compute, keep_freed_memory


def refused(device: str) -> str:
    with pytest.raises(UsageError) as caught:
        Compute.create(device)
    return str(caught.value)


# ---- device


@pytest.mark.parametrize("device", ["gpu", "", "cuda:x", "cpu:-3", "mps", "meta", "tpu:0"])
def test_no_such_device(device: str):
    assert refused(device) == f"device = {device!r}: should be auto, cpu, cuda or cuda:N"


def test_no_cuda_here(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    expected = "this torch sees no CUDA device; use --device cpu, or install a CUDA build"
    assert refused("cuda") == f"device = 'cuda': {expected}"
    assert refused("cuda:1") == f"device = 'cuda:1': {expected}"
    assert Compute.create("auto").device == torch.device("cpu")


def test_not_that_many_cuda_devices(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert refused("cuda:2") == "device = 'cuda:2': there are only 2 CUDA devices here"
    assert Compute.create("cuda:1", "fp32").device == torch.device("cuda:1")
    assert Compute.create("auto", "fp32").device == torch.device("cuda")


# ---- precision


@pytest.mark.parametrize(
    ("capabilities", "precision"),
    [
        ({"avx512_f": True, "avx512_bf16": True, "amx_bf16": True}, "bf16"),
        ({"avx512_f": True, "avx512_bf16": True}, "bf16"),
        ({"amx_bf16": True, "avx512_bf16": False}, "bf16"),
        ({"avx2": True, "avx512_f": True, "avx512_bf16": False, "amx_bf16": False}, "fp32"),
        ({}, "fp32"),
    ],
)
def test_auto_takes_bf16_where_the_cpu_is_fast_at_it(
    monkeypatch: pytest.MonkeyPatch, capabilities: dict[str, bool], precision: str
):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    assert Compute.create("cpu", "auto").precision == precision
    assert Compute.create("cpu", "fp32").precision == "fp32"
    assert Compute.create("cpu", "bf16").precision == "bf16"


@pytest.mark.parametrize(("amx", "avx", "precision"), [(1, 1, "bf16"), (0, 1, "bf16"), (0, 0, "fp32")])
def test_a_torch_that_cannot_list_capabilities(monkeypatch: pytest.MonkeyPatch, amx: int, avx: int, precision: str):
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx)
    assert Compute.create("cpu", "auto").precision == precision


def test_this_machine():
    compute = Compute.create("cpu", "auto")
    threads = torch.get_num_threads()
    assert compute.describe() == f"CPU with {counted(threads, 'thread')}, {compute.precision}"
    assert compute.to_dict() == {"device": "CPU", "threads": threads, "precision": compute.precision}


def test_bf16_stays_near_fp32():
    """8 bits of mantissa: logits of size 1 within some hundredths; the weights stay fp32, as their gradients do."""
    model, tokens = tiny.classifier(), tiny.flat(tiny.LENGTHS)
    exact = model(tokens)
    with Compute(torch.device("cpu"), "fp32").autocast():
        assert torch.equal(model(tokens), exact)
    with Compute(torch.device("cpu"), "bf16").autocast():
        rough = model(tokens)
    assert rough.dtype == torch.bfloat16
    assert 1e-4 < (rough.float() - exact).abs().max() < 0.05
    rough.float().sum().backward()
    assert {parameter.grad.dtype for parameter in model.parameters()} == {torch.float32}


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="NOT TESTED: no CUDA device")
def test_bf16_on_cuda_stays_near_fp32_on_the_cpu():
    config = replace(tiny.CONFIG, hidden_size=48)  # heads of 16
    model, tokens = tiny.classifier(config), tiny.flat(tiny.LENGTHS)
    exact = model(tokens).detach()
    compute = Compute.create("auto", "auto")
    assert (compute.device.type, compute.precision) == ("cuda", "bf16")
    model.to(compute.device)
    torch.testing.assert_close(model(tokens.to(compute.device)).cpu(), exact, rtol=0, atol=1e-5)
    with compute.autocast():
        rough = model(tokens.to(compute.device)).float().cpu()
    torch.testing.assert_close(rough, exact, rtol=0, atol=0.05)


def test_freed_memory_is_kept_where_glibc_is():
    """In a process of its own: the settings last as long as it does."""
    code = "import platform; from bertwright.training.device import keep_freed_memory as keep; "
    code += "assert keep() == (platform.libc_ver()[0] == 'glibc')"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_other_c_libraries_are_left_alone(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("platform.libc_ver", lambda: ("", ""))
    assert keep_freed_memory() is False
