"""`gptoss convert`."""

import time
from collections import Counter
from pathlib import Path
from typing import Literal, cast

from gptoss_gguf.convert import convert_checkpoint, plan_conversion
from gptoss_gguf.errors import RequestError
from gptoss_gguf.progress import reporter, size_text

Dense = Literal["q8_0", "bf16", "f16"]


def print_plan(src: Path, out: Path, dense: str) -> None:
    """What the conversion would write: every tensor, then the sums."""
    plan = plan_conversion(src, cast(Dense, dense))
    width = max(len(tensor.name) for tensor in plan.tensors)
    for tensor in plan.tensors:
        shape = "x".join(map(str, tensor.shape))
        rounded = "  (rounded to MXFP4)" if tensor.requantized else ""
        print(f"{tensor.name:<{width}}  {tensor.type:<5}  {shape:>18}  {tensor.n_bytes:>13,}{rounded}")
    counts = Counter(tensor.type for tensor in plan.tensors)
    by_type = ", ".join(f"{count} {name}" for name, count in counts.most_common())
    print(f"{out}: {size_text(plan.n_bytes)}, {len(plan.tensors)} tensors ({by_type}); nothing was written")


def convert_model(src: Path, out: Path, dense: str, *, force: bool) -> None:
    """Converts with a progress bar on stderr."""
    if out.exists() and not force:
        raise RequestError(f"{out}: already exists; --force replaces it")
    begin = time.perf_counter()
    report = reporter()
    n_bytes = plan_conversion(src, cast(Dense, dense)).n_bytes
    report.note(f"converting {src} to {out}: needs {size_text(n_bytes)} of disk")
    with report.task(out.name, n_bytes) as update:
        convert_checkpoint(
            src, out, dense=cast(Dense, dense), progress=lambda done, _: update(done), overwrite=force
        )
    seconds = time.perf_counter() - begin
    report.note(f"wrote {out}: {size_text(n_bytes)} in {seconds:.1f} s ({size_text(n_bytes / seconds)}/s)")
