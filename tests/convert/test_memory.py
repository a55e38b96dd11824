"""Converting the layer shapes of gpt-oss-120b stays under 2 GB of resident memory."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from convert.synthetic import SyntheticShape, gpt_oss_120b, write_synthetic_checkpoint
from convert.synthetic_weights import Experts

ROOT = Path(__file__).resolve().parents[2]

# Unquantised experts pass through memory one by one: 16 of them peak like 128, with less disk traffic.
CASES: tuple[tuple[Experts, SyntheticShape, int], ...] = (
    ("mxfp4", gpt_oss_120b(1), 9 << 30),
    ("bf16", replace(gpt_oss_120b(1), experts=16, vocab_size=None), 2 << 30),
)

MEASURE = """
import resource, sys
from pathlib import Path
from convert import convert_checkpoint
convert_checkpoint(Path(sys.argv[1]), Path(sys.argv[2]))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""


@pytest.mark.slow
@pytest.mark.parametrize(("experts", "shape", "disk_bytes"), CASES, ids=["mxfp4", "bf16"])
def test_peak_memory_at_120b_layer_shapes(
    tmp_path: Path, experts: Experts, shape: SyntheticShape, disk_bytes: int
) -> None:
    if shutil.disk_usage(tmp_path).free < disk_bytes:
        pytest.skip(f"needs {disk_bytes >> 30} GiB of free disk in {tmp_path}")
    write_synthetic_checkpoint(tmp_path / "src", shape, experts=experts)
    command = [sys.executable, "-c", MEASURE, str(tmp_path / "src"), str(tmp_path / "out.gguf")]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    shutil.rmtree(tmp_path / "src")
    (tmp_path / "out.gguf").unlink()
    peak = int(run.stdout)
    print(f"peak resident memory, {experts} experts: {peak / 1e6:.0f} MB")
    assert peak < 2_000_000_000
