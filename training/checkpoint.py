"""The model on disk: the state of a training run, and a Hugging Face style checkpoint for the converter."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from gptoss_gguf.convert.mxfp4 import quantize
from gptoss_gguf.convert.safetensors_writer import TensorSource, write_checkpoint
from gptoss_gguf.convert.synthetic import SyntheticShape, write_synthetic_checkpoint
from torch import Tensor

from .model import GptOss
from .mxfp4 import round_to_mxfp4

U8 = npt.NDArray[np.uint8]
STATE: Final = "state.pt"


def save_state(folder: Path, state: dict[str, Any]) -> None:
    """Writes the state of a run; a run that is killed meanwhile leaves the former one."""
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"{STATE}.part"
    torch.save(state, part)
    os.replace(part, folder / STATE)


def load_state(folder: Path) -> dict[str, Any]:
    """What `save_state` wrote. Raises FileNotFoundError where there is none."""
    state: dict[str, Any] = torch.load(folder / STATE, map_location="cpu", weights_only=True)
    return state


def export(model: GptOss, ranks: list[bytes], folder: Path) -> None:
    """Writes config.json, tokenizer.json and the weights, experts as MXFP4, the rest as bfloat16.

    The folder appears when it is complete; a former one of that name goes.
    """
    shape = model.shape
    part = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    sizes = SyntheticShape(
        n_layers=shape.layers,
        experts=shape.experts,
        hidden=shape.hidden,
        ff=shape.ff,
        heads=shape.heads,
        kv_heads=shape.kv_heads,
        vocab_size=shape.vocab,
        skewed_router=False,
    )
    write_synthetic_checkpoint(part, sizes, vocab=ranks)  # the random weights are replaced
    write_checkpoint(
        part, [source for pair in model.state_dict().items() for source in _sources(*pair)], 1 << 30
    )
    shutil.rmtree(folder, ignore_errors=True)
    part.rename(folder)


def _sources(name: str, tensor: Tensor) -> Iterator[TensorSource]:
    tensor = tensor.detach().float().cpu()
    if name.endswith(("gate_up_proj", "down_proj")):
        blocks, scales = pack(tensor)
        yield _source(f"{name}_blocks", "U8", blocks.shape, blocks)
        yield _source(f"{name}_scales", "U8", scales.shape, scales)
    else:
        data = tensor.bfloat16().contiguous().view(torch.uint8).numpy()
        yield _source(name, "BF16", tuple(tensor.shape), data)


def _source(name: str, dtype: str, shape: tuple[int, ...], data: U8) -> TensorSource:
    def pieces() -> Iterator[U8]:
        yield np.ascontiguousarray(data).reshape(-1)

    return TensorSource(name, dtype, shape, pieces)


def pack(weights: Tensor) -> tuple[U8, U8]:
    """float32 [experts, rows, K] -> uint8 blocks [experts, rows, K/32, 16], scales [experts, rows, K/32].

    What is stored is exactly what the model computed with.
    """
    experts, rows, cols = weights.shape
    packed = quantize(round_to_mxfp4(weights).reshape(-1, cols).numpy())
    packed = packed.reshape(experts, rows, cols // 32, 17)
    nibbles = packed[..., 1:]
    codes = np.concatenate([nibbles & 0x0F, nibbles >> 4], axis=-1)  # in the order of the weights
    return codes[..., 0::2] | codes[..., 1::2] << 4, np.ascontiguousarray(packed[..., 0])
