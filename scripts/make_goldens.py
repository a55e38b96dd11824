"""Makes tests/fixtures/goldens with Hugging Face transformers (needs torch); run from the checkout:

    python -m scripts.make_goldens

Every golden model is written as MXFP4 and as bf16 checkpoint, loaded in float32 with eager attention and
experts, and run on prompts of the lengths in tests/fixtures/models.py. Both copies must agree, and the expert
loads must include a starved and a saturated expert. The long prompts run in chunks with a KV cache, which is
checked against one full pass.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.utils.quantization_config import Mxfp4Config

from convert.synthetic_weights import Experts, hash64
from tests.fixtures.models import GOLDENS, MODELS, PROMPT_LENGTHS, build

F32 = npt.NDArray[np.float32]
I64 = npt.NDArray[np.int64]

CHUNK: Final = 430  # queries a pass; eager attention holds several [heads, CHUNK, n] matrices
FULL_ROWS: Final = 64
# Borders of the window, of a KV block and of the original context.
LANDMARKS: Final = (126, 127, 128, 129, 255, 256, 4095, 4096, 4097)
# A router decision closer than this could fall the other way in another float32 implementation.
MIN_ROUTER_GAP: Final = 1e-5


def load(folder: Path) -> Any:
    """The checkpoint as a float32 transformers model with eager attention and experts."""
    config = AutoConfig.from_pretrained(folder)
    quantized = getattr(config, "quantization_config", None) is not None
    options = {"quantization_config": Mxfp4Config(dequantize=True)} if quantized else {}
    loaded: Any = AutoModelForCausalLM.from_pretrained(
        folder,
        dtype=torch.float32,
        attn_implementation="eager",
        experts_implementation="eager",
        output_loading_info=True,
        **options,
    )
    model, report = loaded
    for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        assert not report[kind], (kind, report[kind])
    rope = model.config.rope_parameters
    assert (rope["rope_type"], rope["truncate"], rope["factor"]) == ("yarn", False, 32), rope
    assert all(parameter.dtype == torch.float32 for parameter in model.parameters())
    return model.eval()


class RouterWatch:
    """Records how many tokens each expert of each layer got, and the narrowest router decision."""

    def __init__(self, model: Any) -> None:
        self.top_k = model.config.num_experts_per_tok
        self.loads = [
            torch.zeros(model.config.num_local_experts, dtype=torch.int64) for _ in model.model.layers
        ]
        self.gap = float("inf")
        self.handles = [
            layer.mlp.router.register_forward_hook(self._hook(index))
            for index, layer in enumerate(model.model.layers)
        ]

    def _hook(self, index: int) -> Any:
        def hook(_module: Any, _inputs: Any, output: Any) -> None:
            logits, _, chosen = output
            self.loads[index] += torch.bincount(chosen.reshape(-1), minlength=logits.shape[-1])
            ordered = logits.sort(dim=-1, descending=True).values
            if ordered.shape[-1] > self.top_k:
                gaps = ordered[:, self.top_k - 1] - ordered[:, self.top_k]
                self.gap = min(self.gap, float(gaps.min()))

        return hook

    def stop(self) -> None:
        for handle in self.handles:
            handle.remove()


def logits_of(model: Any, ids: I64, chunk: int) -> F32:
    """Logits float32 [n, vocab] of a prompt, `chunk` tokens a pass over one KV cache."""
    rows, cache = [], None
    with torch.no_grad():
        for begin in range(0, len(ids), chunk):
            tokens = torch.from_numpy(ids[None, begin : begin + chunk])
            output = model(tokens, past_key_values=cache, use_cache=True)
            rows.append(output.logits[0])
            cache = output.past_key_values
    result: F32 = torch.cat(rows).numpy()
    return result


def relative_error(ours: F32, theirs: F32) -> float:
    return float(np.linalg.norm(ours - theirs) / np.linalg.norm(theirs))


def prompt(name: str, length: int, vocab: int, attempt: int) -> I64:
    return (hash64(attempt, f"prompt/{name}/{length}", 0, length) % np.uint64(vocab)).astype(np.int64)


def run_prompt(model: Any, name: str, length: int) -> tuple[I64, F32, list[I64]]:
    """Ids, logits and expert loads of the first prompt of this length without a near-tie in any router."""
    for attempt in range(100):
        ids = prompt(name, length, model.config.vocab_size, attempt)
        watch = RouterWatch(model)
        logits = logits_of(model, ids, CHUNK)
        watch.stop()
        if watch.gap >= MIN_ROUTER_GAP:
            print(f"{name} {length}: attempt {attempt}, router gap {watch.gap:.2e}, std {logits.std():.2f}")
            return ids, logits, [load.numpy() for load in watch.loads]
    raise AssertionError(f"{name} {length}: every prompt has a router near-tie")


def summarise(ids: I64, logits: F32, vocab: int) -> dict[str, npt.NDArray[Any]]:
    """The stored fields of one prompt; see tests.fixtures.models.Golden."""
    n = len(ids)
    landmarks = [position for position in LANDMARKS if position < n]
    spread = np.linspace(0, n - 1, max(0, min(n, FULL_ROWS) - len(landmarks))).round().astype(int)
    positions = np.unique(np.concatenate([spread, np.array(landmarks, int)]))
    assert len(positions) <= FULL_ROWS
    assert positions[-1] == n - 1
    best = np.partition(logits, -2, axis=1)[:, -2:]
    top = logits.max(axis=1, keepdims=True).astype(np.float64)
    fixed_ids = np.linspace(0, vocab - 1, 8).round().astype(np.uint16)
    return {
        "ids": ids.astype(np.uint16),
        "positions": positions.astype(np.uint16),
        "rows": logits[positions],
        "argmax": logits.argmax(axis=1).astype(np.uint16),
        "logsumexp": (top[:, 0] + np.log(np.exp(logits - top).sum(axis=1))).astype(np.float32),
        "top2_gap": best[:, 1] - best[:, 0],
        "fixed_ids": fixed_ids,
        "fixed": logits[:, fixed_ids],
    }


def fingerprint(folder: Path) -> str:
    """SHA-256 over all files of a checkpoint, in name order."""
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def make(name: str, work: Path) -> dict[str, str]:
    """Writes goldens/<name>.npz; returns the fingerprints of both checkpoints."""
    kinds: tuple[Experts, ...] = ("mxfp4", "bf16")
    for kind in kinds:
        build(name, kind, work / name / kind)
    packed, plain = (load(work / name / kind) for kind in kinds)
    fields: dict[str, npt.NDArray[Any]] = {}
    for length in PROMPT_LENGTHS:
        ids, logits, loads = run_prompt(packed, name, length)
        error = relative_error(logits_of(plain, ids, CHUNK), logits)
        assert error < 1e-6, f"MXFP4 and bf16 copies differ by {error}"
        if packed.config.num_attention_heads == 8 or length < 2000:
            error = relative_error(logits, logits_of(packed, ids, length))
            print(f"{name} {length}: chunked against one pass {error:.1e}")
            assert error < 3e-5
        if length >= 1000 and packed.config.num_local_experts > packed.config.num_experts_per_tok:
            for layer, load_of in enumerate(loads):
                assert (load_of.min(), load_of.max()) == (0, length), (layer, load_of)
        fields |= {
            f"{length}/{key}": value
            for key, value in summarise(ids, logits, packed.config.vocab_size).items()
        }
    np.savez_compressed(GOLDENS / f"{name}.npz", allow_pickle=False, **fields)
    return {kind: fingerprint(work / name / kind) for kind in kinds}


def main() -> None:
    torch.manual_seed(0)
    GOLDENS.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as work:
        checkpoints = {name: make(name, Path(work)) for name in MODELS}
    (GOLDENS / "checkpoints.json").write_text(json.dumps(checkpoints, indent=1) + "\n")
    total = sum(path.stat().st_size for path in GOLDENS.iterdir())
    print(f"goldens: {total / 1e6:.2f} MB")
    assert total < 4e6


if __name__ == "__main__":
    main()
