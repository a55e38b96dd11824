"""Batches of conversations: a pure function of seed and step, so that any process can make any of them."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_context
from typing import Final

import numpy as np
import numpy.typing as npt
from gptoss_gguf.tokenizer import Tokenizer

from .data import FAMILIES, MAX_TOKENS, Split, encode, make_sample
from .vocabulary import load_tokenizer

FAMILY_NAMES: Final = tuple(FAMILIES)
_STRIDE: Final = 1 << 20  # a step never takes this many conversations
_MULTIPLE: Final = 64  # widths are multiples of this, so that there are few different ones
_LEAST_FILLED: Final = 0.7  # of the width


@dataclass(frozen=True)
class MicroBatch:
    """Conversations of similar length, padded at the end.

    ids: int64 [n, width]. mask: bool [n, width], the tokens to be learned. family: int64 [n], places in
    FAMILY_NAMES.
    """

    ids: npt.NDArray[np.int64]
    mask: npt.NDArray[np.bool_]
    family: npt.NDArray[np.int64]


def make_batch(
    tokenizer: Tokenizer, seed: int, step: int, tokens: int, micro_tokens: int, split: Split = "train"
) -> list[MicroBatch]:
    """Conversations of at least `tokens` tokens, in micro batches of at most `micro_tokens` with padding.

    micro_tokens is at least MAX_TOKENS.
    """
    rows: list[tuple[list[int], list[bool], int]] = []
    total = 0
    while total < tokens:
        sample = make_sample(split, seed, step * _STRIDE + len(rows))
        ids, mask = encode(tokenizer, sample)
        rows.append((ids, mask, FAMILY_NAMES.index(sample.family)))
        total += len(ids)
    rows.sort(key=lambda row: -len(row[0]))
    batches = []
    while rows:
        width = _width(len(rows[0][0]))
        wide = sum(len(row[0]) > _LEAST_FILLED * width for row in rows)  # the others wait for a narrower one
        count = max(1, min(wide, micro_tokens // width))
        batches.append(_pad(rows[:count], width))
        rows = rows[count:]
    return batches


def _width(length: int) -> int:
    return min(-(-length // _MULTIPLE) * _MULTIPLE, MAX_TOKENS)


def _pad(rows: list[tuple[list[int], list[bool], int]], width: int) -> MicroBatch:
    ids = np.zeros((len(rows), width), np.int64)
    mask = np.zeros((len(rows), width), np.bool_)
    for place, (row, learned, _) in enumerate(rows):
        ids[place, : len(row)] = row
        mask[place, : len(row)] = learned
    return MicroBatch(ids, mask, np.array([family for _, _, family in rows], np.int64))


@cache
def _tokenizer() -> Tokenizer:
    return load_tokenizer()


def _work(seed: int, step: int, tokens: int, micro_tokens: int) -> list[MicroBatch]:
    return make_batch(_tokenizer(), seed, step, tokens, micro_tokens)


def stream(
    seed: int, first_step: int, tokens: int, micro_tokens: int, workers: int
) -> Iterator[list[MicroBatch]]:
    """The batches of first_step and all later steps, made ahead by `workers` processes (0: here)."""
    step = first_step
    if workers == 0:
        while True:
            yield _work(seed, step, tokens, micro_tokens)
            step += 1
    pending: list[Future[list[MicroBatch]]] = []
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        try:
            while True:
                while len(pending) < 3 * workers:
                    pending.append(pool.submit(_work, seed, step, tokens, micro_tokens))
                    step += 1
                yield pending.pop(0).result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
