"""The limits of this machine, measured in the same run as what is compared with them."""

import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gptoss_gguf import _native


@dataclass(frozen=True)
class Machine:
    """What this machine can do at most, with n_threads.

    Attributes:
        bytes_per_second: read from memory.
        peaks: multiply-adds per second by (instruction set, "float32", "int8" or "bf16").
        load: processes that wanted to run when measuring began; our own threads want all cores.
    """

    cpu: str
    n_threads: int
    bytes_per_second: float
    peaks: Mapping[tuple[str, str], float]
    load: float

    def peak(self, isa: str, arithmetic: str) -> float:
        """Multiply-adds per second of an instruction set; of the best there is where it was not measured."""
        if arithmetic == "bf16" and (isa, arithmetic) not in self.peaks:
            arithmetic = "float32"  # in which it is computed
        best = max(rate for (_, kind), rate in self.peaks.items() if kind == arithmetic)
        return self.peaks.get((isa, arithmetic), best)


def measure_machine(n_threads: int) -> Machine:
    """Keeps all threads busy for about two seconds. n_threads: 0 = one per core."""
    load = os.getloadavg()[0]
    limits = _native.measure_machine(n_threads)
    peaks = {(peak.isa, peak.arithmetic): peak.macs_per_second for peak in limits.peaks}
    return Machine(_cpu_name(), limits.n_threads, limits.read_bytes_per_second, peaks, load)


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
