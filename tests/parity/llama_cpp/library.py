"""llama.cpp's shared library through ctypes: load a GGUF, look at logits and tokens, quantise a file.

The structures are those of llama.cpp v0.5.0. They are checked against the library's own defaults when it is
opened, so that another version fails with a message instead of reading the wrong field.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from ctypes import POINTER, c_bool, c_char_p, c_float, c_int8, c_int32, c_size_t, c_uint32, c_void_p
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Final, Self

import numpy as np
import numpy.typing as npt

F32 = npt.NDArray[np.float32]

VERSION: Final = "v0.5.0"
TYPE_F32: Final = 0
TYPE_F16: Final = 1
TYPE_COUNT: Final = 43  # one past the last tensor type
_LOG_WARN: Final = 3
_FLASH_ATTENTION_OFF: Final = 0


class LlamaError(Exception):
    """llama.cpp refused; the text ends with what it logged."""


class ModelParams(ctypes.Structure):
    _fields_: ClassVar = [
        ("devices", c_void_p),
        ("tensor_buft_overrides", c_void_p),
        ("n_gpu_layers", c_int32),
        ("split_mode", c_int32),
        ("load_mode", c_int32),
        ("lazy_mode", c_int32),
        ("main_gpu", c_int32),
        ("tensor_split", c_void_p),
        ("progress_callback", c_void_p),
        ("progress_callback_user_data", c_void_p),
        ("kv_overrides", c_void_p),
        ("vocab_only", c_bool),
        ("check_tensors", c_bool),
        ("use_extra_bufts", c_bool),
        ("no_host", c_bool),
        ("no_alloc", c_bool),
        ("load_mtp", c_bool),
    ]
    defaults: ClassVar[Mapping[str, object]] = {
        "n_gpu_layers": -1, "split_mode": 1, "load_mode": -1, "lazy_mode": 1, "main_gpu": 0,
        "kv_overrides": None, "vocab_only": False, "use_extra_bufts": True, "load_mtp": False,
    }  # fmt: skip


class ContextParams(ctypes.Structure):
    _fields_: ClassVar = [
        ("n_ctx", c_uint32),
        ("n_batch", c_uint32),
        ("n_ubatch", c_uint32),
        ("n_seq_max", c_uint32),
        ("n_rs_seq", c_uint32),
        ("n_outputs_max", c_uint32),
        ("n_outputs_max_per_seq", c_uint32),
        ("n_threads", c_int32),
        ("n_threads_batch", c_int32),
        ("ctx_type", c_int32),
        ("rope_scaling_type", c_int32),
        ("pooling_type", c_int32),
        ("attention_type", c_int32),
        ("flash_attn_type", c_int32),
        ("rope_freq_base", c_float),
        ("rope_freq_scale", c_float),
        ("yarn_ext_factor", c_float),
        ("yarn_attn_factor", c_float),
        ("yarn_beta_fast", c_float),
        ("yarn_beta_slow", c_float),
        ("yarn_orig_ctx", c_uint32),
        ("defrag_thold", c_float),
        ("cb_eval", c_void_p),
        ("cb_eval_user_data", c_void_p),
        ("type_k", c_int32),
        ("type_v", c_int32),
        ("abort_callback", c_void_p),
        ("abort_callback_data", c_void_p),
        ("embeddings", c_bool),
        ("offload_kqv", c_bool),
        ("no_perf", c_bool),
        ("op_offload", c_bool),
        ("swa_full", c_bool),
        ("kv_unified", c_bool),
        ("samplers", c_void_p),
        ("n_samplers", c_size_t),
        ("ctx_other", c_void_p),
    ]
    defaults: ClassVar[Mapping[str, object]] = {
        "n_ctx": 512, "n_batch": 2048, "n_ubatch": 512, "n_seq_max": 1, "n_rs_seq": 0, "n_outputs_max": 0,
        "n_outputs_max_per_seq": 1, "ctx_type": 0, "rope_scaling_type": -1, "flash_attn_type": -1,
        "rope_freq_base": 0.0, "yarn_ext_factor": -1.0, "yarn_beta_slow": -1.0, "yarn_orig_ctx": 0,
        "defrag_thold": -1.0, "cb_eval": None, "type_k": TYPE_F16, "type_v": TYPE_F16, "embeddings": False,
        "offload_kqv": True, "no_perf": True, "op_offload": True, "swa_full": True, "kv_unified": False,
        "samplers": None, "n_samplers": 0, "ctx_other": None,
    }  # fmt: skip


class QuantizeParams(ctypes.Structure):
    _fields_: ClassVar = [
        ("nthread", c_int32),
        ("ftype", c_int32),
        ("output_tensor_type", c_int32),
        ("token_embedding_type", c_int32),
        ("allow_requantize", c_bool),
        ("quantize_output_tensor", c_bool),
        ("only_copy", c_bool),
        ("pure", c_bool),
        ("keep_split", c_bool),
        ("dry_run", c_bool),
        ("imatrix", c_void_p),
        ("kv_overrides", c_void_p),
        ("tt_overrides", c_void_p),
        ("prune_layers", c_void_p),
        ("max_buf_size", c_size_t),
    ]
    defaults: ClassVar[Mapping[str, object]] = {
        "nthread": 0, "ftype": 7, "output_tensor_type": TYPE_COUNT, "token_embedding_type": TYPE_COUNT,
        "allow_requantize": False, "quantize_output_tensor": True, "only_copy": False, "pure": False,
        "keep_split": False, "dry_run": False, "imatrix": None, "tt_overrides": None,
        "max_buf_size": 8 << 30,
    }  # fmt: skip


class TensorOverride(ctypes.Structure):
    """A tensor type for the names that a regular expression matches; a null one ends an array of them."""

    _fields_: ClassVar = [("pattern", c_char_p), ("type", c_int32)]


class Batch(ctypes.Structure):
    _fields_: ClassVar = [
        ("n_tokens", c_int32),
        ("token", POINTER(c_int32)),
        ("embd", POINTER(c_float)),
        ("pos", POINTER(c_int32)),
        ("n_seq_id", POINTER(c_int32)),
        ("seq_id", POINTER(POINTER(c_int32))),
        ("logits", POINTER(c_int8)),
    ]


_LOG_CALLBACK = ctypes.CFUNCTYPE(None, c_int32, c_char_p, c_void_p)

_SIGNATURES: Final[Mapping[str, tuple[Any, list[Any]]]] = {
    "llama_backend_init": (None, []),
    "llama_log_set": (None, [_LOG_CALLBACK, c_void_p]),
    "llama_model_default_params": (ModelParams, []),
    "llama_context_default_params": (ContextParams, []),
    "llama_model_quantize_default_params": (QuantizeParams, []),
    "llama_model_quantize": (c_uint32, [c_char_p, c_char_p, POINTER(QuantizeParams)]),
    "llama_model_load_from_file": (c_void_p, [c_char_p, ModelParams]),
    "llama_model_free": (None, [c_void_p]),
    "llama_model_get_vocab": (c_void_p, [c_void_p]),
    "llama_model_desc": (c_int32, [c_void_p, c_char_p, c_size_t]),
    "llama_vocab_n_tokens": (c_int32, [c_void_p]),
    "llama_vocab_bos": (c_int32, [c_void_p]),
    "llama_vocab_eos": (c_int32, [c_void_p]),
    "llama_vocab_pad": (c_int32, [c_void_p]),
    "llama_vocab_is_eog": (c_bool, [c_void_p, c_int32]),
    "llama_vocab_is_control": (c_bool, [c_void_p, c_int32]),
    "llama_tokenize": (c_int32, [c_void_p, c_char_p, c_int32, POINTER(c_int32), c_int32, c_bool, c_bool]),
    "llama_token_to_piece": (c_int32, [c_void_p, c_int32, c_char_p, c_int32, c_int32, c_bool]),
    "llama_init_from_model": (c_void_p, [c_void_p, ContextParams]),
    "llama_free": (None, [c_void_p]),
    "llama_decode": (c_int32, [c_void_p, Batch]),
    "llama_get_logits": (POINTER(c_float), [c_void_p]),
}


class LlamaLibrary:
    """The library of one folder, with the CPU backend that fits this machine."""

    def __init__(self, folder: Path) -> None:
        self._log: list[str] = []
        self._keep = _LOG_CALLBACK(self._on_log)  # the library holds the pointer for good
        ggml = ctypes.CDLL(str(_only(folder, "libggml.*so*")))
        self.api = ctypes.CDLL(str(_only(folder, "libllama.*so*")))
        for name, (result, arguments) in _SIGNATURES.items():
            function = getattr(self.api, name)
            function.restype, function.argtypes = result, arguments
        self.api.llama_log_set(self._keep, None)
        self._check_layouts(folder)
        ggml.ggml_backend_load_all_from_path.restype = None
        ggml.ggml_backend_load_all_from_path.argtypes = [c_char_p]
        ggml.ggml_backend_load_all_from_path(str(folder).encode())
        self.api.llama_backend_init()

    def _on_log(self, level: int, text: bytes, _user_data: object) -> None:
        if level >= _LOG_WARN:
            self._log.append(text.decode(errors="replace"))

    def _check_layouts(self, folder: Path) -> None:
        for kind in ("model", "context", "model_quantize"):
            params = getattr(self.api, f"llama_{kind}_default_params")()
            for name, expected in params.defaults.items():
                actual = getattr(params, name)
                if actual != expected:
                    raise LlamaError(
                        f"{folder}: default of {type(params).__name__}.{name} is {actual!r}, expected "
                        f"{expected!r}: this is not llama.cpp {VERSION}, for which this file is written"
                    )

    def failure(self, what: str) -> LlamaError:
        text = " ".join(line.strip() for line in self._log[-8:])
        return LlamaError(f"{what} failed: {text}")

    def quantize(
        self,
        source: Path,
        target: Path,
        ftype: int,
        *,
        allow_requantize: bool = False,
        overrides: Sequence[tuple[str, int]] = (),
    ) -> None:
        """Rewrites a file in the types of `ftype` (llama_ftype).

        Args:
            allow_requantize: also touch tensors that are quantised already.
            overrides: (regular expression on tensor names, tensor type id) pairs that come first.
        """
        self._log.clear()
        params = self.api.llama_model_quantize_default_params()
        params.nthread, params.ftype = 2, ftype
        params.allow_requantize = allow_requantize
        array = (TensorOverride * (len(overrides) + 1))()
        for entry, (pattern, kind) in zip(array, overrides, strict=False):
            entry.pattern, entry.type = pattern.encode(), kind
        if overrides:
            params.tt_overrides = ctypes.cast(array, c_void_p)
        if (
            self.api.llama_model_quantize(str(source).encode(), str(target).encode(), ctypes.byref(params))
            != 0
        ):
            raise self.failure(f"quantising {source.name} to ftype {ftype}")


def _only(folder: Path, pattern: str) -> Path:
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        raise LlamaError(f"{folder}: expected one {pattern}, found {[path.name for path in found]}")
    return found[0]


class LlamaModel:
    """A GGUF file opened by llama.cpp."""

    def __init__(self, library: LlamaLibrary, path: Path) -> None:
        self._library, self._api, self.path = library, library.api, path
        library._log.clear()
        self._model = self._api.llama_model_load_from_file(
            str(path).encode(), self._api.llama_model_default_params()
        )
        if not self._model:
            raise library.failure(f"loading {path.name}")
        self._vocab = self._api.llama_model_get_vocab(self._model)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._api.llama_model_free(self._model)

    @property
    def description(self) -> str:
        """Architecture, size and file type as llama.cpp understood them."""
        text = ctypes.create_string_buffer(256)
        self._api.llama_model_desc(self._model, text, len(text))
        return text.value.decode()

    @property
    def n_vocab(self) -> int:
        return int(self._api.llama_vocab_n_tokens(self._vocab))

    def special_ids(self) -> dict[str, int]:
        """Ids of the bos, eos and pad tokens."""
        return {
            kind: int(getattr(self._api, f"llama_vocab_{kind}")(self._vocab))
            for kind in ("bos", "eos", "pad")
        }

    def end_of_generation(self) -> list[int]:
        """The tokens after which llama.cpp stops."""
        return [token for token in range(self.n_vocab) if self._api.llama_vocab_is_eog(self._vocab, token)]

    def control_tokens(self) -> list[int]:
        return [
            token for token in range(self.n_vocab) if self._api.llama_vocab_is_control(self._vocab, token)
        ]

    def tokenize(self, text: str, parse_special: bool) -> list[int]:
        """Token ids of a text; `parse_special`: names of control tokens stand for those tokens."""
        raw = text.encode()
        buffer = (c_int32 * (len(raw) + 8))()
        n = self._api.llama_tokenize(self._vocab, raw, len(raw), buffer, len(buffer), False, parse_special)
        if n < 0:
            raise self._library.failure(f"tokenising {text!r}")
        return list(buffer[:n])

    def piece(self, token: int) -> bytes:
        """The bytes of a token, control tokens by name."""
        buffer = ctypes.create_string_buffer(256)
        n = self._api.llama_token_to_piece(self._vocab, token, buffer, len(buffer), 0, True)
        if n < 0:
            raise self._library.failure(f"token {token}")
        return buffer.raw[:n]

    def logits(self, ids: Sequence[int], n_prefill: int | None = None, plain: bool = False) -> F32:
        """Logits of every position, float32 [n, vocab].

        Args:
            n_prefill: how many tokens go in one batch; the rest follows one by one. Default: all.
            plain: float32 KV cache and no flash attention, which rounds its operands to half precision.
        """
        n = len(ids)
        first = n if n_prefill is None else n_prefill
        params = self._api.llama_context_default_params()
        params.n_ctx = params.n_batch = max(n, 64)
        params.n_outputs_max_per_seq = 0  # as many as asked for
        # Several threads wait for each other spinning, which takes minutes when tests share the cores.
        params.n_threads = params.n_threads_batch = 1
        if plain:
            params.type_k = params.type_v = TYPE_F32
            params.flash_attn_type = _FLASH_ATTENTION_OFF
        self._library._log.clear()
        context = self._api.llama_init_from_model(self._model, params)
        if not context:
            raise self._library.failure(f"a context of {n} tokens for {self.path.name}")
        try:
            parts = [self._decode(context, ids[:first], 0)]
            parts += [self._decode(context, ids[i : i + 1], i) for i in range(first, n)]
        finally:
            self._api.llama_free(context)
        return np.concatenate(parts)

    def _decode(self, context: int, ids: Sequence[int], position: int) -> F32:
        n = len(ids)
        sequence = (c_int32 * 1)(0)
        batch = Batch(
            n_tokens=n,
            token=(c_int32 * n)(*ids),
            pos=(c_int32 * n)(*range(position, position + n)),
            n_seq_id=(c_int32 * n)(*[1] * n),
            seq_id=(POINTER(c_int32) * n)(*[ctypes.cast(sequence, POINTER(c_int32))] * n),
            logits=(c_int8 * n)(*[1] * n),
        )
        if self._api.llama_decode(context, batch) != 0:
            raise self._library.failure(f"computing {n} tokens at position {position}")
        rows = np.ctypeslib.as_array(self._api.llama_get_logits(context), (n, self.n_vocab))
        return rows.copy()
