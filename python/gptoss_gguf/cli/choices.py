"""What options can be chosen from, and those that several commands share."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Effort(StrEnum):
    low = "low"
    medium = "medium"
    high = "high"


class Dense(StrEnum):
    q8_0 = "q8_0"
    bf16 = "bf16"
    f16 = "f16"


class Synthetic(StrEnum):
    small = "20b"
    large = "120b"
    tiny = "tiny"


class Compute(StrEnum):
    auto = "auto"
    int8 = "int8"
    bf16 = "bf16"


class Format(StrEnum):
    md = "md"
    json = "json"
    jsonl = "jsonl"
    csv = "csv"


MODEL_HELP = "A .gguf file, a checkpoint folder, org/repo[:QUANT], gpt-oss-20b or gpt-oss-120b."
DEFAULT_MODEL = "the demo model in this package"
SAMPLING = "Sampling"
ENGINE = "Engine"

Device = Annotated[
    str, typer.Option("--device", help="Where to compute; `gptoss info` lists them.", rich_help_panel=ENGINE)
]
ComputeOption = Annotated[
    Compute,
    typer.Option(
        "--compute",
        help="Inputs of matrix products on the CPU: int8 is fast, bf16 as the model was trained.",
        rich_help_panel=ENGINE,
    ),
]
Threads = Annotated[
    int,
    typer.Option(
        "-t", "--threads", min=0, help="CPU threads; 0: one per core it may use.", rich_help_panel=ENGINE
    ),
]
WeightsCache = Annotated[
    bool,
    typer.Option(
        "--weights-cache/--no-weights-cache",
        help="Keep prepared weights on disk, as large as the model; the next start takes a second.",
        rich_help_panel=ENGINE,
    ),
]
CacheDir = Annotated[
    Path | None,
    typer.Option(
        "--cache-dir",
        help="Folder that keeps what was computed for prompts, so that a later chat goes on at once.",
        show_default="not kept",
        rich_help_panel=ENGINE,
    ),
]
CacheDiskGb = Annotated[
    float, typer.Option("--cache-disk-gb", min=0, help="Most gigabytes there.", rich_help_panel=ENGINE)
]
