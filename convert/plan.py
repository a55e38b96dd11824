"""What a conversion will write: its tensors with their sources, the metadata, the file size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, Final, Literal

from .config import ModelConfig, parse_config
from .errors import ConvertError
from .gguf_writer import MetaValue, Scalar, TensorEntry, ValueType, encode_header, padding
from .safetensors_reader import StoredTensor, list_tensors, read_json
from .schema import ARCHITECTURE, MXFP4_BLOCK, GgmlType, Kind, Rows, TensorSpec, model_tensors
from .vocabulary import load_vocabulary

Dense = Literal["q8_0", "bf16", "f16"]
DENSE_TYPES: Final[Mapping[str, GgmlType]] = {
    "q8_0": GgmlType.Q8_0,
    "bf16": GgmlType.BF16,
    "f16": GgmlType.F16,
}
_FLOATS: Final = ("BF16", "F16", "F32")


@dataclass(frozen=True)
class OutputTensor:
    """One tensor of the GGUF.

    Attributes:
        shape: in ggml order, the contiguous dimension first.
        n_bytes: size of the data without alignment padding.
        sources: names of the checkpoint tensors that it is made from.
        requantized: whether unquantised experts are rounded to MXFP4.
    """

    name: str
    type: str
    shape: tuple[int, ...]
    n_bytes: int
    sources: tuple[str, ...]
    requantized: bool


@dataclass(frozen=True)
class Plan:
    """What `convert_checkpoint` will write for the same arguments.

    Attributes:
        tensors: in file order.
        n_bytes: exact size of the GGUF file in bytes, which is also the disk space needed.
        metadata: every metadata key; an array stands as "<type>[<length>]".
    """

    source: Path
    dense: str
    tensors: tuple[OutputTensor, ...]
    n_bytes: int
    metadata: Mapping[str, Scalar]


@dataclass(frozen=True)
class TensorTask:
    """A tensor to write and the stored tensors that it is read from: one, or MXFP4 blocks and scales."""

    spec: TensorSpec
    type: GgmlType
    sources: tuple[str, ...]
    stored: tuple[StoredTensor, ...]

    @property
    def n_bytes(self) -> int:
        return self.type.n_bytes(prod(self.spec.shape))


@dataclass(frozen=True)
class Job:
    """A fully checked conversion: the bytes of the GGUF header and the tensors to stream after it."""

    header: bytes
    tasks: tuple[TensorTask, ...]
    metadata: Mapping[str, MetaValue]

    @property
    def n_bytes(self) -> int:
        """Size of the whole file."""
        return len(self.header) + sum(task.n_bytes + padding(task.n_bytes) for task in self.tasks)


def plan_conversion(src: Path, dense: Dense = "q8_0") -> Plan:
    """Checks all of a Hugging Face gpt-oss folder except the weights, and says what would be written.

    Raises:
        ConvertError: listing everything wrong with config.json, the tokenizer and the tensors at once.
    """
    job = prepare(Path(src), dense)
    tensors = tuple(
        OutputTensor(
            name=task.spec.name,
            type=task.type.name,
            shape=task.spec.shape[::-1],
            n_bytes=task.n_bytes,
            sources=task.sources,
            requantized=task.type is GgmlType.MXFP4 and len(task.sources) == 1,
        )
        for task in job.tasks
    )
    summary = {key: _summary(meta) for key, meta in job.metadata.items()}
    return Plan(Path(src), dense, tensors, job.n_bytes, summary)


def _summary(meta: MetaValue) -> Scalar:
    if isinstance(meta.value, list | tuple):
        return f"{meta.type.name.lower()}[{len(meta.value)}]"
    assert isinstance(meta.value, int | float | str)
    return meta.value


def prepare(src: Path, dense: str, stored: Mapping[str, StoredTensor] | None = None) -> Job:
    """Reads config, tokenizer and safetensors headers, and pairs every GGUF tensor with its sources.

    stored: the tensors, where they are not in files of the folder.
    """
    if dense not in DENSE_TYPES:
        raise ConvertError(f"dense={dense!r}", f"must be one of {', '.join(DENSE_TYPES)}")
    if not src.is_dir():
        raise ConvertError(src, "is no folder; expected a Hugging Face checkpoint with config.json")
    problems: list[str] = []
    raw = read_json(src / "config.json")
    config = parse_config(raw, problems)
    sizes_are_known = not problems
    stored = _list_tensors(src, problems) if stored is None else stored
    if not sizes_are_known or stored is None:
        raise ConvertError(src, problems)
    vocabulary = load_vocabulary(src, raw, config.vocab, problems)
    tasks = _pair(list(model_tensors(config.dims(), config.n_layers)), stored, DENSE_TYPES[dense], problems)
    if problems or vocabulary is None:
        raise ConvertError(src, problems)
    metadata = {**_general(src, raw, tasks, config), **config.metadata(), **vocabulary.metadata()}
    entries = [TensorEntry(task.spec.name, task.type, task.spec.shape[::-1], task.n_bytes) for task in tasks]
    return Job(encode_header(metadata, entries), tuple(tasks), metadata)


def _list_tensors(src: Path, problems: list[str]) -> dict[str, StoredTensor] | None:
    try:
        return list_tensors(src)
    except ConvertError as error:
        problems.extend(error.problems if len(error.problems) > 1 else [str(error)])
        return None


def _general(
    src: Path, raw: Mapping[str, Any], tasks: Sequence[TensorTask], config: ModelConfig
) -> dict[str, MetaValue]:
    """The `general.*` keys that describe the model."""
    named = raw.get("_name_or_path")
    name = Path(named).name if isinstance(named, str) else ""
    texts = {
        "architecture": ARCHITECTURE,
        "type": "model",
        "name": name or src.resolve().name or ARCHITECTURE,
        "size_label": _size_label(tasks, config.experts),
    }
    return {f"general.{key}": MetaValue(ValueType.STRING, text) for key, text in texts.items()}


def _size_label(tasks: Sequence[TensorTask], experts: int) -> str:
    """GGUF's naming convention for mixtures: experts x (shared + one expert's) parameters, e.g. "32x1.7B"."""
    weights = 0
    for task in tasks:
        size = prod(task.spec.shape)
        weights += size // experts if "_exps." in task.spec.name else size
    unit, suffix = (1e9, "B") if weights > 1e9 else (1e6, "M") if weights > 1e6 else (1e3, "K")
    scaled = weights / unit
    return f"{experts}x{scaled:.{1 if round(scaled) < 10 else 0}f}{suffix}"


def _pair(
    specs: Sequence[TensorSpec], stored: Mapping[str, StoredTensor], dense: GgmlType, problems: list[str]
) -> list[TensorTask]:
    """Finds every spec's sources. Missing, surplus and misshaped tensors each append a line to `problems`."""
    types = {Kind.DENSE: dense, Kind.FLOAT32: GgmlType.F32, Kind.EXPERTS: GgmlType.MXFP4}
    tasks: list[TensorTask] = []
    checked: set[str] = set()
    for spec in specs:
        wanted = _sources(spec, stored)
        for name, (shape, dtypes) in wanted.items():
            if name not in checked:
                checked.add(name)
                _check(name, stored.get(name), shape, dtypes, problems)
        found = tuple(stored[name] for name in wanted if name in stored)
        tasks.append(TensorTask(spec, types[spec.kind], tuple(wanted), found))
    problems += [f"surplus tensor {name}" for name in sorted(stored.keys() - checked)]
    return tasks


def _sources(
    spec: TensorSpec, stored: Mapping[str, StoredTensor]
) -> dict[str, tuple[tuple[int, ...], tuple[str, ...]]]:
    """Names, shapes and accepted dtypes of the checkpoint tensors that make a GGUF tensor."""
    twice = 1 if spec.rows is Rows.ALL else 2
    if spec.kind is not Kind.EXPERTS:
        shape = spec.shape if twice == 1 else (spec.shape[0], 2 * spec.shape[1])
        return {spec.source: (shape, _FLOATS)}
    experts, rows, cols = spec.shape
    if spec.source in stored:
        return {spec.source: ((experts, cols, twice * rows), _FLOATS)}
    packed = (experts, twice * rows, cols // MXFP4_BLOCK)
    return {f"{spec.source}_blocks": ((*packed, 16), ("U8",)), f"{spec.source}_scales": (packed, ("U8",))}


def _check(
    name: str,
    tensor: StoredTensor | None,
    shape: tuple[int, ...],
    dtypes: tuple[str, ...],
    problems: list[str],
) -> None:
    if tensor is None:
        problems.append(f"missing tensor {name}")
    elif tensor.shape != shape:
        problems.append(
            f"misshaped tensor {name}: {list(tensor.shape)} in {tensor.path.name}, expected {list(shape)}"
        )
    elif tensor.dtype not in dtypes:
        problems.append(
            f"tensor {name} has dtype {tensor.dtype} in {tensor.path.name}, expected {' or '.join(dtypes)}"
        )
