"""What one process of a bench has to do, and the clocks and the profiler that serve both sides alike.

Knows neither side, nor repeats, ratios and tables (`turns.py`).
"""

import json
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from time import perf_counter, time
from typing import Any, ClassVar, TypeVar

import torch
from torch.profiler import ProfilerActivity

# Operators that multiply matrices, attention kernels among them. Only their *self* time is counted, so that
# `linear`, which calls `addmm`, counts nothing twice.
MATRIX_PRODUCTS = re.compile(
    r"aten::(_?addmm(_activation)?|b?mm|baddbmm|addbmm|matmul|linear|_?mkl(dnn)?_linear\w*)$"
    r"|mkldnn::_linear|scaled_dot_product|_attention_(for|back)ward"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One phase of one side, once.

    Attributes:
        verb: What both sides do; the names of their scripts begin with it.
        speed: The figure in which they are compared.
        side: `ours`, `peer` (as first written) or `peer-best` (with its best flags).
        phase: The function that does it.
        folder: Where the job may write.
        began: When its process was asked for, by `time.time()`.
        batch_size: Texts in a batch.
        max_length: Longest sequence, in tokens.
        warmup_steps: Optimizer steps before the clock starts, on both sides.
        steps: Timed steps.
        profiled_steps: Steps under the profiler, after the timed ones.
        seed: Of the order, of what is new in the model, and of dropout.
        device: `cpu` or `cuda`.
        peer_bf16: Whether bf16 is among the peer's best flags.
        peer_attention: The peer's kernel of attention, among its best flags.
        operators: File for the profiler's whole table.
    """

    verb: ClassVar[str]
    speed: ClassVar[str]

    side: str
    phase: str
    folder: str
    began: float = 0.0
    batch_size: int = 32
    max_length: int = 128
    warmup_steps: int = 5
    steps: int = 100
    profiled_steps: int = 10
    seed: int = 0
    device: str = "cpu"
    peer_bf16: bool = False
    peer_attention: str = "sdpa"
    operators: str | None = None

    @property
    def script(self) -> str:
        """Name of the module that does this side's part."""
        return f"{self.verb}_{'ours' if self.side == 'ours' else 'peer'}"

    @property
    def all_steps(self) -> int:
        """Optimizer steps from the first to the last."""
        return self.warmup_steps + self.steps + self.profiled_steps

    def write(self, path: Path) -> None:
        """Save for another process."""
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")


Figures = dict[str, Any]
JobT = TypeVar("JobT", bound=Job)


def answer(kind: type[JobT], *phases: Callable[[JobT], Figures]) -> None:
    """Do the job in the file `argv[1]` and write its figures to the file `argv[2]`: the main function of a side."""
    job = kind(**json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
    (phase,) = (phase for phase in phases if phase.__name__ == job.phase)
    figures = phase(job)
    figures["threads"] = torch.get_num_threads()
    Path(sys.argv[2]).write_text(json.dumps(figures), encoding="utf-8")


class Laps(dict[str, float]):
    """Seconds by name: `with laps("loading_seconds"): ...` adds to them."""

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Time what happens inside."""
        began = perf_counter()
        yield
        self[name] = self.get(name, 0.0) + perf_counter() - began


class Watch:
    """Stands at the end of every optimizer step: lets the warm-up pass, times, then profiles."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.done = 0
        self.startup = self.timed = self.profiled = 0.0
        activities = [ProfilerActivity.CPU] + [ProfilerActivity.CUDA] * (job.device == "cuda")
        self.profiler = torch.profiler.profile(activities=activities)
        self._began = 0.0

    def training_begins(self) -> None:
        """Everything is imported, read, tokenised and loaded: the first step comes now."""
        self.startup = time() - self.job.began
        self._lap()

    def step_ends(self) -> None:
        """The optimizer has stepped and the gradients are cleared."""
        self.done += 1
        job = self.job
        if self.done == job.warmup_steps:
            self._lap()
        if self.done == job.warmup_steps + job.steps:
            self.timed = self._lap()
            self.profiler.start()
            self._lap()
        if self.done == job.all_steps:
            self.profiled = self._lap()
            self.profiler.stop()

    def _lap(self) -> float:
        """Seconds since the last call; the device's queue is empty then."""
        if self.job.device == "cuda":
            torch.cuda.synchronize()
        now = perf_counter()
        seconds, self._began = now - self._began, now
        return seconds

    def figures(self, losses: Sequence[float], tokens: Sequence[int], examples: Sequence[int]) -> Figures:
        """Speeds over the timed steps, their loss, and the share of matrix products in the profiled ones.

        Args:
            losses: Mean loss of the batch of each step, warm-up and profiled ones included.
            tokens: Its tokens, without padding.
            examples: Its texts.
        """
        first, last = self.job.warmup_steps, self.job.warmup_steps + self.job.steps
        half = (first + last) // 2
        return {
            "examples_per_second": sum(examples[first:last]) / self.timed,
            "tokens_per_second": sum(tokens[first:last]) / self.timed,
            "tokens_per_example": sum(tokens[first:last]) / sum(examples[first:last]),
            "startup_seconds": self.startup,
            "final_loss": fmean(losses[half:last], weights=examples[half:last]),
            **self._matrix_products(),
        }

    def _matrix_products(self) -> Figures:
        """Their share of a step, and of the time that torch's operators take of it.

        The second leaves out what Python and numpy do between operators. On CUDA the time of an operator is
        that of the kernels that it launched.
        """
        averages = self.profiler.key_averages()
        own = "self_device_time_total" if self.job.device == "cuda" else "self_cpu_time_total"
        if self.job.operators:
            Path(self.job.operators).write_text(averages.table(sort_by=own, row_limit=-1), encoding="utf-8")
        # On CUDA the kernels come once more, as events of their own: these are left out.
        seconds = {e.key: getattr(e, own) / 1e6 for e in averages if e.device_type.name == "CPU"}
        products = sum(value for name, value in seconds.items() if MATRIX_PRODUCTS.search(name))
        return {
            "matrix_products_of_step": products / self.profiled,
            "matrix_products_of_operators": products / sum(seconds.values()),
        }
