"""llama.cpp, through llama-cpp-python, in a process of its own: runs cases and says how long they took.

python -m gptoss_gguf.bench.llama_cpp MODEL THREADS CONTEXT SEQUENCES prints one object of JSON when the model
is loaded; then, for each object of JSON it reads (the fields of a Case), one with "seconds".
"""

import ctypes
import json
import os
import sys
import time
from importlib import import_module
from typing import Any

import numpy as np
from gptoss_gguf.bench.cases import Case

_N_BATCH = 2048  # what llama-bench takes; it computes 512 of them at once


class LlamaCpp:
    """A model in llama.cpp with its best settings: flash attention, repacked weights, nothing mapped."""

    def __init__(self, path: str, *, n_threads: int, n_ctx: int, n_parallel: int) -> None:
        self._api: Any = import_module("llama_cpp")
        self._api.llama_backend_init()
        model_params = self._api.llama_model_default_params()
        if hasattr(model_params, "load_mode"):
            model_params.load_mode = self._api.LLAMA_LOAD_MODE_NONE
        else:  # older versions
            model_params.use_mmap = False
        model_params.n_gpu_layers = 0
        self._model = self._api.llama_model_load_from_file(path.encode(), model_params)
        if not self._model:
            raise RuntimeError(f"llama.cpp cannot load {path}")
        params = self._api.llama_context_default_params()
        params.n_ctx = n_ctx * n_parallel
        params.n_batch = _N_BATCH
        params.n_seq_max = n_parallel
        params.n_threads = params.n_threads_batch = n_threads
        params.flash_attn_type = self._api.LLAMA_FLASH_ATTN_TYPE_ENABLED
        params.op_offload = False
        params.swa_full = False  # windows keep only what they see
        self._context = self._api.llama_init_from_model(self._model, params)
        if not self._context:
            raise RuntimeError(f"llama.cpp cannot make a context of {params.n_ctx} tokens")
        self._n_vocab = self._api.llama_vocab_n_tokens(self._api.llama_model_get_vocab(self._model))
        self.version = f"llama-cpp-python {self._api.__version__}"

    def seconds(self, case: Case) -> float:
        """Runs a case once, from an empty KV cache, as llama-bench does: tokens are random."""
        self._api.llama_memory_clear(self._api.llama_get_memory(self._context), False)
        tokens = np.random.default_rng(0)
        for sequence in range(case.n_parallel):
            for begin in range(0, case.n_depth, _N_BATCH):
                n_tokens = min(_N_BATCH, case.n_depth - begin)
                self._decode(tokens.integers(0, self._n_vocab, n_tokens), begin, [sequence] * n_tokens)
        started = time.perf_counter()
        if case.n_prompt:
            for begin in range(0, case.n_prompt, _N_BATCH):
                n_tokens = min(_N_BATCH, case.n_prompt - begin)
                drawn = tokens.integers(0, self._n_vocab, n_tokens)
                self._decode(drawn, case.n_depth + begin, [0] * n_tokens)
        for index in range(case.n_gen):
            drawn = tokens.integers(0, self._n_vocab, case.n_parallel)
            self._decode(drawn, case.n_depth + index, list(range(case.n_parallel)))
        return time.perf_counter() - started

    def _decode(self, tokens: Any, position: int, sequences: list[int]) -> None:
        """tokens: int [n], of one sequence from `position` on, or one of each sequence at `position`."""
        is_one = len(set(sequences)) == 1
        batch = self._api.llama_batch_init(len(tokens), 0, 1)
        batch.n_tokens = len(tokens)
        for index, (token, sequence) in enumerate(zip(tokens.tolist(), sequences, strict=True)):
            batch.token[index] = token
            batch.pos[index] = position + (index if is_one else 0)
            batch.n_seq_id[index] = 1
            batch.seq_id[index][0] = sequence
            batch.logits[index] = not is_one or index == len(sequences) - 1
        status = self._api.llama_decode(self._context, batch)
        self._api.llama_synchronize(self._context)
        self._api.llama_batch_free(batch)
        if status != 0:
            raise RuntimeError(f"llama_decode returned {status}")


def _silence() -> int:
    """Sends what C code prints on stdout to stderr; returns a descriptor of the real stdout."""
    ctypes.CDLL(None).fflush(None)
    real = os.dup(1)
    os.dup2(2, 1)
    return real


def main(argv: list[str]) -> int:
    """Command line; returns the exit status."""
    path, n_threads, n_ctx, n_parallel = argv
    with os.fdopen(_silence(), "w") as answers:
        engine = LlamaCpp(path, n_threads=int(n_threads), n_ctx=int(n_ctx), n_parallel=int(n_parallel))
        print(json.dumps({"version": engine.version}), file=answers, flush=True)
        for line in sys.stdin:
            print(json.dumps({"seconds": engine.seconds(Case(**json.loads(line)))}), file=answers, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
