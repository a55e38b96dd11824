"""The conversations that the demo model learns from: made by rule, without end, from a seed.

sample = make_sample("train", seed=1, index=0)
ids, mask = encode(tokenizer, sample)
"""

from .mixture import FAMILIES, make_sample
from .sample import MAX_TOKENS, Effort, Expect, Sample, Split, encode, prompt_ids

__all__ = [
    "FAMILIES",
    "MAX_TOKENS",
    "Effort",
    "Expect",
    "Sample",
    "Split",
    "encode",
    "make_sample",
    "prompt_ids",
]
