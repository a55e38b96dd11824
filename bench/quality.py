"""How far a device's logits are from the reference device's, which computes in float32."""

from dataclasses import asdict, dataclass
from importlib.metadata import metadata
from pathlib import Path

import numpy as np
from gptoss_gguf import _native
from gptoss_gguf.bench.progress import Update
from gptoss_gguf.bench.setup import Setup
from gptoss_gguf.errors import RequestError
from gptoss_gguf.loading import open_engine
from gptoss_gguf.tokenizer import Tokenizer
from numpy.typing import NDArray

REFERENCE = "reference"
_STEP = 64  # tokens between two signs of progress: the reference device is slow
_ROWS = 64  # of logits, compared at once
_POLL_SECONDS = 0.1  # so that Ctrl-C is heard


@dataclass(frozen=True)
class Divergence:
    """kl: mean over positions of KL(truth || ours), in nats; same_best: share of positions; of n_tokens."""

    kl: float
    same_best: float
    n_tokens: int


def divergence(truth: NDArray[np.float32], ours: NDArray[np.float32]) -> Divergence:
    """truth, ours: logits, float32 [n, vocab]."""
    kl = 0.0
    for first in range(0, len(truth), _ROWS):
        p, q = (_log_softmax(logits[first : first + _ROWS]) for logits in (truth, ours))
        kl += float((np.exp(p) * (p - q)).sum())
    same = truth.argmax(axis=1) == ours.argmax(axis=1)
    return Divergence(kl / len(truth), float(same.mean()), len(truth))


def _log_softmax(rows: NDArray[np.float32]) -> NDArray[np.float64]:
    wide = rows.astype(np.float64)
    wide -= wide.max(axis=1, keepdims=True)
    wide -= np.log(np.exp(wide).sum(axis=1, keepdims=True))
    return wide


def measure_quality(path: Path, setup: Setup, n_tokens: int, progress: Update) -> Divergence:
    """Compares the device with the reference on n_tokens of this package's description.

    Raises RequestError if the device is the reference, and what opening the model raises.
    """
    ids = _some_text(path, n_tokens)

    def logits(setup: Setup, n_before: int) -> NDArray[np.float32]:
        """Of one device, whose memory is free again when this returns."""
        engine = open_engine(path, **asdict(setup), n_ctx=n_tokens + 1, n_batch=_STEP, max_sequences=1)
        if n_before == 0 and engine.device == REFERENCE:
            raise RequestError("--quality compares with the reference device; choose another --device")
        return _logits(engine, ids, n_before, progress)

    ours = logits(setup, 0)
    return divergence(logits(Setup(REFERENCE, n_threads=setup.n_threads), n_tokens), ours)


def _some_text(path: Path, n_tokens: int) -> list[int]:
    """English text and lines of commands, as often as it takes."""
    text = str(metadata("gptoss-gguf").json["description"])
    ids = Tokenizer.from_metadata(_native.ModelFile(str(path)).metadata, source=path.name).encode(text)
    return (ids * (n_tokens // len(ids) + 1))[:n_tokens]


def _logits(engine: "_native.Engine", ids: list[int], n_before: int, progress: Update) -> NDArray[np.float32]:
    """Logits of every position, [n, vocab]; of the tokens of both devices, n_before are done."""
    parts: list[NDArray[np.float32]] = []
    n_done = 0
    completion = engine.submit(_native.Request(ids, max_tokens=0, prompt_logits=True))
    try:
        while n_done < len(ids):
            chunk = completion.next_chunk(_POLL_SECONDS)
            rows = None if chunk is None else chunk.take_prompt_logits()
            if rows is not None:
                parts.append(rows)
                n_done += len(rows)
                progress(n_before + n_done, 2 * len(ids))
    finally:
        completion.cancel()
    return np.concatenate(parts)
