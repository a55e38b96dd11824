"""What a report says about the model."""

from dataclasses import dataclass
from math import prod
from pathlib import Path

from gptoss_gguf import _native


@dataclass(frozen=True)
class Model:
    """A model file. `kind` names it in a few words; `n_bytes` is the size of its tensors."""

    path: Path
    kind: str
    n_bytes: int
    n_params: int


def describe_model(path: Path) -> Model:
    """Reads the header of a GGUF file. Raises ModelFileError."""
    file = _native.ModelFile(str(path))
    tensors, metadata = file.tensors, file.metadata
    experts = next((tensor.type for tensor in tensors if "_exps." in tensor.name), "?")
    dense = next((tensor.type for tensor in tensors if tensor.name.endswith("attn_q.weight")), experts)
    label = str(metadata.get("general.size_label", ""))
    return Model(
        path,
        " ".join(filter(None, ["gpt-oss", label, experts, *([dense] if dense != experts else [])])),
        sum(tensor.n_bytes for tensor in tensors),
        sum(prod(tensor.shape) for tensor in tensors),
    )
