"""Device, precision and memory allocator: the sole reader of the machine and its environment.

Knows nothing of models.
"""

import ctypes
import os
import platform
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from bertwright.errors import UsageError
from bertwright.text.complaints import counted

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4  # <malloc.h>


@dataclass(frozen=True, slots=True)
class Compute:
    """Where and how precisely to compute."""

    device: torch.device
    precision: Literal["fp32", "bf16"]

    @classmethod
    def create(cls, device: str = "auto", precision: str = "auto") -> "Compute":
        """Turn settings into a device that exists and a precision that it is fast at.

        Raises:
            UsageError: There is no such device here.
        """
        chosen = _device(device)
        if precision == "auto":
            precision = "bf16" if _fast_bf16(chosen) else "fp32"
        return cls(chosen, "bf16" if precision == "bf16" else "fp32")

    def autocast(self) -> AbstractContextManager[object]:
        """The context in which matrix products run in this precision."""
        if self.precision == "fp32":
            return nullcontext()
        return torch.autocast(self.device.type, dtype=torch.bfloat16)

    def describe(self) -> str:
        """One line for the user."""
        if self.device.type == "cuda":
            return f"{torch.cuda.get_device_name(self.device)}, {self.precision}"
        return f"CPU with {counted(torch.get_num_threads(), 'thread')}, {self.precision}"

    def to_dict(self) -> dict[str, str | int]:
        """The same as JSON values."""
        if self.device.type == "cuda":
            return {"device": torch.cuda.get_device_name(self.device), "precision": self.precision}
        return {"device": "CPU", "threads": torch.get_num_threads(), "precision": self.precision}


def memory_of(device: torch.device) -> int:
    """Bytes of memory that the device has, used or not; 0 where that cannot be told."""
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory)
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # not every system has them
        return 0


def processor() -> str:
    """The name of the processor, as far as the system tells it."""
    with suppress(OSError), Path("/proc/cpuinfo").open(encoding="utf-8") as lines:
        for line in lines:
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()


def _device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise UsageError(f"device = {name!r}: should be auto, cpu, cuda or cuda:N") from None
    if device.type not in ("cpu", "cuda"):
        raise UsageError(f"device = {name!r}: should be auto, cpu, cuda or cuda:N")
    if device.type == "cuda" and not torch.cuda.is_available():
        raise UsageError(
            f"device = {name!r}: this torch sees no CUDA device; use --device cpu, or install a CUDA build"
        )
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UsageError(f"device = {name!r}: there are only {torch.cuda.device_count()} CUDA devices here")
    return device


def _fast_bf16(device: torch.device) -> bool:
    """Whether bf16 is faster than fp32: on an older CPU it is several times slower."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if not hasattr(torch.cpu, "get_capabilities"):  # a torch before it
        return bool(torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported())
    has = torch.cpu.get_capabilities()
    return bool(has.get("amx_bf16") or has.get("avx512_bf16"))


def set_default(variable: str, value: str) -> None:
    """Tell a library what it can be told in no other way; what the user has set stays."""
    os.environ.setdefault(variable, value)


def keep_freed_memory() -> bool:
    """Ask glibc to reuse freed memory instead of giving it back to the kernel between two tensors.

    Large blocks are otherwise mapped, page-faulted and zeroed anew at every step (docs/log.md has the figures).

    Returns:
        Whether the allocator took it: False where the C library is not glibc.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    libc = ctypes.CDLL(None)
    wishes = ((_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, 2**31 - 1), (_M_TOP_PAD, 64 << 20))
    taken = [libc.mallopt(option, value) == 1 for option, value in wishes]
    return all(taken)
