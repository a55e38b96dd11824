"""Hostile safetensors headers and indexes give one clear error, never a wrong read."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from convert.errors import ConvertError
from convert.safetensors_reader import TensorReader, list_tensors, read_header

Entry = dict[str, Any]


def write(path: Path, header: object, data: bytes = bytes(64)) -> Path:
    """A file with this header, given as an object or as raw bytes."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    return path


def entry(dtype: object = "F32", shape: object = (4, 4), offsets: object = (0, 64)) -> Entry:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


def test_good_file(tmp_path: Path) -> None:
    path = write(tmp_path / "m", {"__metadata__": {"format": "pt"}, "a": entry()}, bytes(range(64)))
    tensor = read_header(path)["a"]
    assert (tensor.dtype, tensor.shape, tensor.n_bytes) == ("F32", (4, 4), 64)
    with TensorReader() as reader:
        np.testing.assert_array_equal(reader.read(tensor, 8, 12), [8, 9, 10, 11])


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (entry(dtype="F33"), "unknown dtype 'F33'"),
        (entry(dtype=["F32"]), "unknown dtype"),
        (entry(shape=[4, -4]), "bad shape"),
        (entry(shape=[4, True]), "bad shape"),
        (entry(shape=[4, 4.0]), "bad shape"),
        (entry(shape="44"), "bad shape"),
        (entry(shape=[1] * 9), "bad shape"),
        (entry(shape=[2**64, 4]), "bad shape"),
        (entry(shape=[2**62, 2**62]), "needs"),
        (entry(shape=[4, 5]), "needs 80 bytes"),
        (entry(offsets=[0, 65]), "do not fit"),
        (entry(offsets=[-1, 63]), "do not fit"),
        (entry(offsets=[64, 0]), "do not fit"),
        (entry(offsets=[0]), "do not fit"),
        (entry(offsets=None), "do not fit"),
        ({"dtype": "F32"}, "bad shape None"),
        ([1, 2], "is no object"),
    ],
)
def test_bad_entries_name_file_and_tensor(tmp_path: Path, bad: object, message: str) -> None:
    path = write(tmp_path / "m.safetensors", {"weird name": bad})
    with pytest.raises(ConvertError, match=message) as caught:
        read_header(path)
    assert str(path) in str(caught.value)
    assert "weird name" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"{{", "not valid JSON"),
        (b"[]", "no JSON object"),
        (b"\xff\xfe{}", "not valid JSON"),
        (b"[" * 100_000, "not valid JSON"),
        (b'{"a":' + b"9" * 5000 + b"}", "not valid JSON"),
        (b'{"a":{},"a":{}}', "key 'a' occurs twice"),
    ],
)
def test_bad_json(tmp_path: Path, text: bytes, message: str) -> None:
    with pytest.raises(ConvertError, match=message):
        read_header(write(tmp_path / "m", text))


@pytest.mark.parametrize("length", [0, 1, 60, 2**63, 2**64 - 1])
def test_header_length_is_checked_before_use(tmp_path: Path, length: int) -> None:
    path = tmp_path / "m"
    path.write_bytes(length.to_bytes(8, "little") + b"{}" + bytes(40))
    with pytest.raises(ConvertError, match="no safetensors file"):
        read_header(path)


@pytest.mark.parametrize("content", [b"", b"1234567"])
def test_files_too_short_for_a_header(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "m"
    path.write_bytes(content)
    with pytest.raises(ConvertError, match="no safetensors file"):
        read_header(path)


def test_overlapping_tensors(tmp_path: Path) -> None:
    header = {"a": entry(shape=[8], offsets=[0, 32]), "b": entry(shape=[8], offsets=[28, 60])}
    with pytest.raises(ConvertError, match="'a' and 'b' overlap"):
        read_header(write(tmp_path / "m", header))


def test_file_that_shrinks_after_the_header_was_read(tmp_path: Path) -> None:
    path = write(tmp_path / "m", {"a": entry()})
    tensor = read_header(path)["a"]
    path.write_bytes(path.read_bytes()[:-1])
    with TensorReader() as reader, pytest.raises(ConvertError, match="inside a tensor"):
        reader.read(tensor, 0, 64)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
@given(position=st.integers(0, 150), value=st.integers(0, 255))
def test_any_changed_byte_gives_an_error_or_a_valid_header(tmp_path: Path, position: int, value: int) -> None:
    path = write(tmp_path / "m", {"a": entry(), "b": entry(shape=[0], offsets=[64, 64])})
    content = bytearray(path.read_bytes())
    content[min(position, len(content) - 1)] = value
    path.write_bytes(content)
    try:
        tensors = read_header(path)
    except ConvertError:
        return
    assert all(t.offset + t.n_bytes <= len(content) for t in tensors.values())


def sharded(folder: Path, change: Callable[[dict[str, str]], None]) -> None:
    """Two shards with tensors a and b, and an index that `change` damages."""
    write(folder / "one.safetensors", {"a": entry()})
    write(folder / "two.safetensors", {"b": entry()})
    weight_map = {"a": "one.safetensors", "b": "two.safetensors"}
    change(weight_map)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))


def test_shards(tmp_path: Path) -> None:
    sharded(tmp_path, lambda _: None)
    tensors = list_tensors(tmp_path)
    assert {name: tensor.path.name for name, tensor in tensors.items()} == {
        "a": "one.safetensors",
        "b": "two.safetensors",
    }


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"c": "one.safetensors"}, "tensor 'c' is not in one.safetensors"),
        ({"c": "three.safetensors"}, "cannot be read"),
        ({"c": "../one.safetensors"}, "no plain"),
        ({"c": "/etc/passwd"}, "no plain"),
        ({"c": 7}, "weight_map"),
    ],
)
def test_bad_index(tmp_path: Path, change: dict[str, str], message: str) -> None:
    sharded(tmp_path, lambda weight_map: weight_map.update(change))
    with pytest.raises(ConvertError, match=message):
        list_tensors(tmp_path)


def test_index_problems_are_all_listed(tmp_path: Path) -> None:
    sharded(
        tmp_path, lambda m: m.update({"c": "one.safetensors", "d": "two.safetensors", "e": "x.safetensors"})
    )
    with pytest.raises(ConvertError) as caught:
        list_tensors(tmp_path)
    assert len(caught.value.problems) == 3


def test_tensor_in_two_shards(tmp_path: Path) -> None:
    sharded(tmp_path, lambda _: None)
    write(tmp_path / "two.safetensors", {"a": entry(), "b": entry(shape=[0], offsets=[64, 64])})
    with pytest.raises(ConvertError, match="'a' is in two"):
        list_tensors(tmp_path)


def test_folder_without_weights(tmp_path: Path) -> None:
    with pytest.raises(ConvertError, match="holds neither"):
        list_tensors(tmp_path)
