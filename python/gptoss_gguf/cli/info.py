"""`gptoss info`: what a file holds and needs."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from gptoss_gguf import __version__, _native
from gptoss_gguf.errors import ModelFileError
from gptoss_gguf.models.names import Checkpoint, HubModel, parse_name
from gptoss_gguf.progress import size_text

_CONTEXTS = (4096, 32_768, 131_072)
_KV_BYTES = 2  # per value, on the devices that people use; the reference device keeps float32
_SHOWN_ITEMS = 3


def print_info(model: str | None, *, list_tensors: bool, as_json: bool) -> None:
    """Prints the devices of this machine and, with a model, its header, tensors and memory plan."""
    facts: dict[str, Any] = {
        "version": __version__,
        "devices": _native.devices(),
        "cpu_isas": {compute: _native.cpu_isas(compute) for compute in ("int8", "bf16")},
    }
    if model is not None:
        facts |= _describe(_native.ModelFile(str(_local_path(model))), list_tensors or as_json)
    if as_json:
        print(json.dumps(facts, indent=2, ensure_ascii=True))
    else:
        print("\n".join(_lines(facts)))


def _local_path(model: str) -> Path:
    """The file of a model that is on this machine: looking at a model does not download it."""
    name = parse_name(model)
    if isinstance(name, Checkpoint):
        raise ModelFileError(
            f"{name.path}: a checkpoint folder, no GGUF file; `gptoss convert --dry-run {name.path} x.gguf` "
            "shows what it becomes"
        )
    if isinstance(name, HubModel):
        from gptoss_gguf.models.hub import cached

        return cached(name, "`gptoss pull` downloads it")[0]
    return name.path


def _describe(file: "_native.ModelFile", list_tensors: bool) -> dict[str, Any]:
    metadata, tensors = file.metadata, file.tensors
    types: dict[str, dict[str, int]] = {}
    for tensor in tensors:
        entry = types.setdefault(tensor.type, {"count": 0, "bytes": 0})
        entry["count"] += 1
        entry["bytes"] += tensor.n_bytes
    facts: dict[str, Any] = {
        "files": file.paths,
        "file_bytes": sum(Path(path).stat().st_size for path in file.paths),
        "metadata": {key: _shortened(value) for key, value in metadata.items()},
        "tensor_types": types,
        "memory": _memory(metadata, sum(t["bytes"] for t in types.values())),
    }
    if list_tensors:
        facts["tensors"] = [
            {
                "name": t.name,
                "type": t.type,
                "shape": list(t.shape),
                "bytes": t.n_bytes,
                "file": t.file,
                "offset": t.offset,
            }
            for t in tensors
        ]
    return facts


def _shortened(value: Any) -> Any:
    """Long lists and texts by their beginning and length; strings as valid Unicode."""
    if isinstance(value, str):
        text = value.encode("utf-8", "replace").decode()
        return text if len(text) <= 100 else f"{text[:80]}... ({len(text)} characters)"
    if isinstance(value, Iterable):
        items = list(value)
        shown = ", ".join(str(_shortened(item)) for item in items[:_SHOWN_ITEMS])
        return f"[{shown}{', ...' if len(items) > _SHOWN_ITEMS else ''}] ({len(items)} items)"
    return value


def _memory(metadata: Mapping[str, Any], weight_bytes: int) -> dict[str, Any]:
    """Bytes of the weights, and of the KV cache of one sequence at a few context lengths."""
    plan: dict[str, Any] = {"weights": weight_bytes}
    prefix = f"{metadata.get('general.architecture')}."  # "gpt-oss", or "gptoss" in Ollama's files
    shape = {key.removeprefix(prefix): n for key, n in metadata.items() if isinstance(n, int)}
    try:
        layers, heads = shape["block_count"], shape["attention.head_count_kv"]
        width, longest = shape["attention.key_length"], shape["context_length"]
    except KeyError:
        return plan  # the engine will refuse the file, and say why
    window = shape.get("attention.sliding_window", 128)
    per_layer = 2 * heads * width * _KV_BYTES  # a key and a value per token
    full, sliding = layers // 2, layers - layers // 2  # even layers slide
    plan["kv_bytes_per_token"] = full * per_layer
    plan["kv_cache"] = {
        str(n): n * full * per_layer + min(n, window) * sliding * per_layer
        for n in sorted({min(n, longest) for n in _CONTEXTS})
    }
    return plan


def _lines(facts: dict[str, Any]) -> Iterable[str]:
    yield f"gptoss {facts['version']}; devices: {', '.join(facts['devices'])}"
    for compute, isas in facts["cpu_isas"].items():
        yield f"cpu instruction sets for {compute}, best first: {', '.join(isas)}"
    if "files" not in facts:
        return
    yield ""
    yield from facts["files"]
    yield f"{size_text(facts['file_bytes'])}"
    yield ""
    width = max(map(len, facts["metadata"]), default=0)
    for key, value in facts["metadata"].items():
        yield f"{key:<{width}}  {value}"
    yield ""
    for name, entry in facts["tensor_types"].items():
        yield f"{entry['count']:>5} tensors  {name:<6} {size_text(entry['bytes']):>10}"
    yield ""
    memory = facts["memory"]
    yield f"memory: {size_text(memory['weights'])} of weights"
    for n_ctx, n_bytes in memory.get("kv_cache", {}).items():
        yield f"        {size_text(n_bytes)} of KV cache at a context of {int(n_ctx):,} tokens"
    for tensor in facts.get("tensors", ()):
        shape = "x".join(map(str, tensor["shape"]))
        yield f"{tensor['name']:<40} {tensor['type']:<6} {shape:>20} {tensor['bytes']:>14,}"
