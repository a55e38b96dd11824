"""gptoss-gguf: run OpenAI's gpt-oss-20b and gpt-oss-120b on your own machine.

    from gptoss_gguf import LLM, SamplingParams

    llm = LLM("gpt-oss-20b")
    for chunk in llm.stream("The capital of France is", SamplingParams(max_tokens=32)):
        print(chunk.text, end="", flush=True)

Names are imported on first use, so that `import gptoss_gguf` costs nothing.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gptoss_gguf.async_llm import AsyncLLM
    from gptoss_gguf.errors import (
        GptossError,
        ModelFileError,
        OutOfMemoryError,
        QueueFullError,
        RequestError,
    )
    from gptoss_gguf.llm import LLM
    from gptoss_gguf.output import Chunk, Output, Timing, TokenLogprob, Usage
    from gptoss_gguf.params import SamplingParams
    from gptoss_gguf.tokenizer import Tokenizer

    __version__: str

__all__ = [
    "LLM",
    "AsyncLLM",
    "Chunk",
    "GptossError",
    "ModelFileError",
    "OutOfMemoryError",
    "Output",
    "QueueFullError",
    "RequestError",
    "SamplingParams",
    "Timing",
    "TokenLogprob",
    "Tokenizer",
    "Usage",
    "__version__",
]

_HOME = {
    "LLM": "llm",
    "AsyncLLM": "async_llm",
    "SamplingParams": "params",
    "Tokenizer": "tokenizer",
    **dict.fromkeys(("Chunk", "Output", "Timing", "TokenLogprob", "Usage"), "output"),
    **dict.fromkeys(
        ("GptossError", "ModelFileError", "OutOfMemoryError", "QueueFullError", "RequestError"), "errors"
    ),
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        value: Any = version("gptoss-gguf")
    elif name in _HOME:
        value = getattr(importlib.import_module(f"gptoss_gguf.{_HOME[name]}"), name)
    else:
        raise AttributeError(f"module 'gptoss_gguf' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
