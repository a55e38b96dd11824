"""Hugging Face gpt-oss checkpoints -> GGUF files that this engine and llama.cpp read. Needs numpy only."""

from .checkpoint import Progress, convert_checkpoint
from .errors import ConvertError
from .plan import Dense, OutputTensor, Plan, plan_conversion

__all__ = [
    "ConvertError",
    "Dense",
    "OutputTensor",
    "Plan",
    "Progress",
    "convert_checkpoint",
    "plan_conversion",
]
