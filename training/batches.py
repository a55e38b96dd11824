"""Batches of conversations: a pure function of seed and step, so that any process can make any of them."""

from __future__ import annotations

from collections.abc import Generator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from multiprocessing import get_context
from typing import Final

import numpy as np
import numpy.typing as npt
from gptoss_gguf.tokenizer import Tokenizer

from .data import FAMILIES, Sample, Split, encode, make_sample
from .vocabulary import load_tokenizer

Ids = npt.NDArray[np.int64]

FAMILY_NAMES: Final = tuple(FAMILIES)
_STRIDE: Final = 1 << 20  # a step never takes this many conversations
_MULTIPLE: Final = 32  # widths are multiples of this, so that there are few different ones
_LEAST_FILLED: Final = 0.7  # of the width
_LEAST_ROWS: Final = 3  # of one scene, to make a group of their own


@dataclass(frozen=True)
class Segment:
    """Rows of similar length that continue one prefix; they are padded for attention alone.

    start, n_tokens: their place in the batch, one row after the other without padding.
    order: int64 [rows * width], for each padded place the token it holds, counted from `start`; padding
    repeats a token, at the end of a row, where nothing sees it.
    inverse: int64 [n_tokens], each token's place in `order`.
    """

    start: int
    n_tokens: int
    rows: int
    width: int
    order: Ids
    inverse: Ids


@dataclass(frozen=True)
class Group:
    """Conversations that begin alike, with batch[start : start + n_prefix], and continue in segments."""

    start: int
    n_prefix: int
    segments: tuple[Segment, ...]

    def sizes(self) -> tuple[int, ...]:
        """Tokens of the common beginning and of each segment, in the order in which they stand."""
        return self.n_prefix, *(segment.n_tokens for segment in self.segments)


@dataclass(frozen=True)
class MicroBatch:
    """What is computed at once: groups of conversations, one token after the other, common beginnings once.

    ids, positions: int64 [tokens]. learned: int64 [n], places of the tokens to be learned, each from the
    token before it. family: int64 [n], of which family each is: place in FAMILY_NAMES.
    """

    ids: Ids
    positions: Ids
    groups: tuple[Group, ...]
    learned: Ids
    family: Ids


@dataclass(frozen=True)
class _Row:
    """An encoded conversation: ids, what to learn of them, and the tokens of its scene: up to the user's."""

    ids: list[int]
    mask: list[bool]
    family: int
    head: tuple[int, ...]


def make_batch(
    tokenizer: Tokenizer,
    seed: int,
    step: int,
    conversations: int,
    micro_tokens: int,
    ranks: int = 1,
    split: Split = "train",
) -> list[MicroBatch]:
    """Conversations in micro batches of about `micro_tokens` tokens, as many for each of the ranks."""
    rows = []
    for index in range(conversations):
        sample = make_sample(split, seed, step * _STRIDE + index)
        ids, mask = encode(tokenizer, sample)
        rows.append(_Row(ids, mask, FAMILY_NAMES.index(sample.family), _scene(tokenizer, sample, ids)))
    rows.sort(key=lambda row: (row.head, -len(row.ids)))  # neighbours begin alike and are of similar length
    costs = [_cost(row, before) for row, before in zip(rows, [None, *rows], strict=False)]
    total = sum(costs)
    count = -(-total // micro_tokens)
    count = -(-count // ranks) * ranks
    parts: list[list[_Row]] = [[] for _ in range(count)]
    before = 0
    for row, cost in zip(rows, costs, strict=True):
        parts[before * count // total].append(row)
        before += cost
    return [micro_batch(part) for part in parts if part]


def _scene(tokenizer: Tokenizer, sample: Sample, ids: list[int]) -> tuple[int, ...]:
    """The system message and the developer message, if there is one."""
    end = tokenizer.specials["<|end|>"]
    ends = [place for place, token in enumerate(ids) if token == end]
    return tuple(ids[: ends[sum(message.role in ("system", "developer") for message in sample.messages) - 1]])


def _cost(row: _Row, before: _Row | None) -> int:
    """Tokens to compute, if what it shares with the row before is computed once."""
    return len(row.ids) - (len(row.head) if before is not None and before.head == row.head else 0)


def micro_batch(rows: list[_Row]) -> MicroBatch:
    """The rows, those of one scene next to each other."""
    builder = _Builder()
    alike = [list(group) for _, group in groupby(rows, key=lambda row: row.head)]
    for group in [group for group in alike if len(group) >= _LEAST_ROWS]:
        builder.add(group)
    if others := [row for group in alike if len(group) < _LEAST_ROWS for row in group]:
        builder.add(sorted(others, key=lambda row: -len(row.ids)))
    return builder.build()


class _Builder:
    """A micro batch that grows group by group."""

    def __init__(self) -> None:
        self._ids: list[int] = []
        self._positions: list[int] = []
        self._learned: list[int] = []
        self._family: list[int] = []
        self._groups: list[Group] = []

    def add(self, rows: list[_Row]) -> None:
        """Rows that begin alike, longest first."""
        start = len(self._ids)
        n_prefix = min(common_length([row.ids for row in rows]), *(row.mask.index(True) - 1 for row in rows))
        self._ids += rows[0].ids[:n_prefix]
        self._positions += range(n_prefix)
        segments = []
        while rows:
            width = len(rows[0].ids) - n_prefix
            wide = sum(len(row.ids) - n_prefix > _LEAST_FILLED * width for row in rows)
            count = 1 << min(wide.bit_length() - 1, 3)  # few different shapes: each costs preparation
            segments.append(self._segment(rows[:count], n_prefix))
            rows = rows[count:]
        self._groups.append(Group(start, n_prefix, tuple(segments)))

    def _segment(self, rows: list[_Row], n_prefix: int) -> Segment:
        start = len(self._ids)
        lengths = [len(row.ids) - n_prefix for row in rows]
        width = -(-lengths[0] // _MULTIPLE) * _MULTIPLE
        order: list[int] = []
        inverse: list[int] = []
        for place, (row, length) in enumerate(zip(rows, lengths, strict=True)):
            first = len(self._ids)
            order += [first - start + min(column, length - 1) for column in range(width)]
            inverse += range(place * width, place * width + length)
            self._ids += row.ids[n_prefix:]
            self._positions += range(n_prefix, n_prefix + length)
            learned = [first + column for column in range(length) if row.mask[n_prefix + column]]
            self._learned += learned
            self._family += [row.family] * len(learned)
        n_tokens = len(self._ids) - start
        return Segment(start, n_tokens, len(rows), width, np.array(order), np.array(inverse))

    def build(self) -> MicroBatch:
        arrays = (
            np.array(values, np.int64) for values in (self._ids, self._positions, self._learned, self._family)
        )
        ids, positions, learned, family = arrays
        return MicroBatch(ids, positions, tuple(self._groups), learned, family)


def common_length(texts: list[list[int]]) -> int:
    """How many tokens all of the texts begin with; 0 for a single one."""
    if len(texts) == 1:
        return 0
    first, last = min(texts), max(texts)  # the others lie between them
    return next(
        (place for place, pair in enumerate(zip(first, last, strict=False)) if pair[0] != pair[1]), len(first)
    )


def one_row(ids: list[int]) -> MicroBatch:
    """A single text, of which all tokens but the first are to be learned."""
    return micro_batch([_Row(ids, [False] + [True] * (len(ids) - 1), 0, ())])


@cache
def _tokenizer() -> Tokenizer:
    return load_tokenizer()


def _work(seed: int, step: int, conversations: int, micro_tokens: int, ranks: int) -> list[MicroBatch]:
    return make_batch(_tokenizer(), seed, step, conversations, micro_tokens, ranks)


def stream(
    seed: int, first_step: int, conversations: int, micro_tokens: int, workers: int, ranks: int = 1
) -> Generator[list[MicroBatch]]:
    """The batches of first_step and all later steps, made ahead by `workers` processes (0: here)."""
    step = first_step
    if workers == 0:
        while True:
            yield _work(seed, step, conversations, micro_tokens, ranks)
            step += 1
    pending: list[Future[list[MicroBatch]]] = []
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        try:
            while True:
                while len(pending) < 3 * workers:
                    pending.append(pool.submit(_work, seed, step, conversations, micro_tokens, ranks))
                    step += 1
                yield pending.pop(0).result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
