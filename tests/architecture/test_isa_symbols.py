"""What objects may show to the linker.

A file compiled for one instruction set must not export inline functions of the standard library: the linker
keeps one copy of each, and if that is the AVX-512 one, a baseline machine crashes far from any vector code.
The extension exports its init function and nothing else, so that it clashes with no other library.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from gptoss_gguf import _native

from tests.native.native_build import build

from .sources import NATIVE

# gptoss::kernels::cpu::k...Kernels, of which there is one for each arithmetic.
_TABLE = re.compile(r"_ZN6gptoss7kernels3cpu\d+k\w+KernelsE")


def symbols(nm_output: str) -> list[tuple[str, str]]:
    """(kind, name) of the lines of `nm`; kinds as in its manual: T text, W and V weak, u unique, ..."""
    return [(kind, name) for kind, name in re.findall(r"^[0-9a-f]* +(\w) (\S+)$", nm_output, re.MULTILINE)]


def nm(path: Path, *options: str) -> list[tuple[str, str]]:
    done = subprocess.run(["nm", *options, str(path)], capture_output=True, text=True, check=True)
    return symbols(done.stdout)


def isa_leaks(exported: list[tuple[str, str]]) -> list[str]:
    """Problems of an ISA object: of strong external symbols it may define its tables, and nothing weak."""
    weak = [f"weak: {name}" for kind, name in exported if kind in "WwVvu"]
    strong = [name for kind, name in exported if kind in "TDBRSG"]
    others = [f"strong: {name}" for name in strong if not _TABLE.fullmatch(name)]
    return weak + others + ([] if len(strong) > len(others) else ["no table"])


def isa_sources() -> list[Path]:
    return sorted((NATIVE / "kernels/cpu").glob("isa_*.cc"))


def test_the_extension_exports_its_init_function_only() -> None:
    assert _native.__file__ is not None
    exported = nm(Path(_native.__file__), "-D", "--defined-only")
    assert [name for _, name in exported] == ["PyInit__native"]


def test_every_spine_is_in_the_build_file() -> None:
    text = (NATIVE / "kernels/CMakeLists.txt").read_text(encoding="utf-8")
    by_flags = {f"isa_{name}.cc" for name in re.findall(r"^\s*gptoss_isa\((\w+)", text, re.MULTILINE)}
    assert {path.name for path in isa_sources()} == by_flags | {"isa_scalar.cc"}


@pytest.mark.parametrize("preset", ["release", pytest.param("aarch64", marks=pytest.mark.aarch64)])
def test_isa_objects_leak_nothing(preset: str) -> None:
    """Holds for every ISA spine of an architecture; plain C++ alone would mean that this looks elsewhere."""
    folder = build(preset)
    objects = [path for source in isa_sources() for path in folder.rglob(f"{source.name}.o")]
    assert len(objects) > 1
    leaks = {path.name: isa_leaks(nm(path, "--extern-only", "--defined-only")) for path in objects}
    assert {name: problems for name, problems in leaks.items() if problems} == {}


_PRELUDE = """
#define IN namespace gptoss::kernels::cpu
#define TABLE(value) extern int kAKernels; int kAKernels = value;
"""


@pytest.fixture
def compiled(tmp_path: Path) -> Callable[[str], Path]:
    """Compiles a piece of C++ to an object file."""

    def compile_text(text: str) -> Path:
        (tmp_path / "x.cc").write_text(_PRELUDE + text)
        subprocess.run(["c++", "-std=c++20", "-c", "x.cc", "-o", "x.o"], cwd=tmp_path, check=True)
        return tmp_path / "x.o"

    return compile_text


@pytest.mark.parametrize(
    ("text", "n_problems"),
    [
        pytest.param(
            "static int f() { return 1; } IN { extern int (*const kAKernels)() = f; }", 0, id="clean"
        ),
        pytest.param(
            "IN { extern const int kAKernels = 1; extern const int kABf16Kernels = 2; }", 0, id="two"
        ),
        pytest.param("static int f() { return 1; }", 1, id="no-table"),
        pytest.param("IN { template <class T> T f(T x) { return x; } TABLE(f(1)) }", 1, id="template"),
        pytest.param("IN { inline int f() { return 1; } TABLE(f()) }", 1, id="inline"),
        pytest.param("IN { TABLE(1) int u() { return 2; } }", 1, id="function"),
        pytest.param("extern const int kAKernels = 1;", 2, id="elsewhere"),
    ],
)
def test_planted_leaks_are_found(text: str, n_problems: int, compiled: Callable[[str], Path]) -> None:
    assert len(isa_leaks(nm(compiled(text), "--extern-only", "--defined-only"))) == n_problems
