"""llama.cpp in a process of its own: it aborts on a failed assertion, which must not take pytest with it."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import ParamSpec, Self, TypeVar

import pytest

from tests.parity.llama_cpp.library import F32, LlamaLibrary, LlamaModel

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True)
class Vocabulary:
    """What llama.cpp made of a file's tokenizer.

    Attributes:
        description: architecture, size and file type.
        pieces: the bytes of every token, control tokens by name.
        special_ids: ids of the bos, eos and pad tokens.
        end_of_generation, control: tokens that end a text, and tokens that are no text.
        plain, parsed: the ids of each given text, with control-token names as text and as tokens.
    """

    description: str
    pieces: list[bytes]
    special_ids: dict[str, int]
    end_of_generation: list[int]
    control: list[int]
    plain: list[list[int]]
    parsed: list[list[int]]


class Llama:
    """llama.cpp's library in another process. Every call opens the file anew; all raise LlamaError."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._pool = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown()

    def logits(
        self, path: Path, ids: Sequence[int], n_prefill: int | None = None, plain: bool = False
    ) -> F32:
        """See LlamaModel.logits."""
        return self._call(_logits, self._folder, path, list(map(int, ids)), n_prefill, plain)

    def vocabulary(self, path: Path, texts: Sequence[str]) -> Vocabulary:
        return self._call(_vocabulary, self._folder, path, list(texts))

    def quantize(
        self,
        source: Path,
        target: Path,
        ftype: int,
        *,
        allow_requantize: bool = False,
        overrides: Sequence[tuple[str, int]] = (),
    ) -> None:
        """See LlamaLibrary.quantize."""
        self._call(_quantize, self._folder, source, target, ftype, allow_requantize, overrides)

    def _call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return self._pool.submit(function, *args, **kwargs).result(timeout=300)


def require_folder(config: pytest.Config) -> Path:
    """The folder of llama.cpp's libraries; skips the test where there is none."""
    default = config.rootpath / "build/llama-cpp/package/bins/linux-x64"
    folder = Path(config.getoption("--llama-cpp-lib", default=None) or default).resolve()
    if not list(folder.glob("libllama.*so*")):
        pytest.skip(
            f"needs llama.cpp's libraries in {folder}: run scripts/get_llama_cpp.sh, or name --llama-cpp-lib"
        )
    return folder


@cache
def _library(folder: Path) -> LlamaLibrary:
    return LlamaLibrary(folder)


def _logits(folder: Path, path: Path, ids: list[int], n_prefill: int | None, plain: bool) -> F32:
    with LlamaModel(_library(folder), path) as model:
        return model.logits(ids, n_prefill, plain)


def _vocabulary(folder: Path, path: Path, texts: list[str]) -> Vocabulary:
    with LlamaModel(_library(folder), path) as model:
        return Vocabulary(
            description=model.description,
            pieces=[model.piece(token) for token in range(model.n_vocab)],
            special_ids=model.special_ids(),
            end_of_generation=model.end_of_generation(),
            control=model.control_tokens(),
            plain=[model.tokenize(text, parse_special=False) for text in texts],
            parsed=[model.tokenize(text, parse_special=True) for text in texts],
        )


def _quantize(
    folder: Path,
    source: Path,
    target: Path,
    ftype: int,
    allow_requantize: bool,
    overrides: Sequence[tuple[str, int]],
) -> None:
    _library(folder).quantize(source, target, ftype, allow_requantize=allow_requantize, overrides=overrides)
