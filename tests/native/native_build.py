"""Configures and builds the native test programs with the cmake and ninja of this Python environment."""

from __future__ import annotations

import fcntl
import json
import re
import subprocess
from pathlib import Path
from typing import Final

import cmake
import ninja

ROOT: Final = Path(__file__).resolve().parents[2]
BUILD_SECONDS: Final = 1500
# TSan's shadow memory does not fit every layout of the address space; setarch gives it a fixed one.
_UNRANDOMISED: Final = ("setarch", "--addr-no-randomize")


def declared_tests() -> list[str]:
    """Names in the gptoss_test() calls of tests/native, in order."""
    files = sorted((ROOT / "tests/native").rglob("CMakeLists.txt"))
    return [
        n for file in files for n in re.findall(r"^\s*gptoss_test\((\w+)", file.read_text(), re.MULTILINE)
    ]


def _run(command: list[str], what: str) -> str:
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=BUILD_SECONDS, check=False
    )
    assert done.returncode == 0, f"{what} failed:\n{(done.stdout + done.stderr)[-8000:]}"
    return done.stdout


def build(preset: str) -> Path:
    """Builds a preset of CMakePresets.json, one process at a time; its build folder."""
    folder = ROOT / "build" / preset
    folder.mkdir(parents=True, exist_ok=True)
    program = str(Path(cmake.CMAKE_BIN_DIR) / "cmake")
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        make_program = f"-DCMAKE_MAKE_PROGRAM={Path(ninja.BIN_DIR) / 'ninja'}"
        _run([program, "--preset", preset, make_program], f"cmake --preset {preset}")
        _run([program, "--build", str(folder)], f"the build of preset {preset}")
    return folder


def ctest_names(folder: Path) -> list[str]:
    """Tests that CMake knows in a build folder."""
    program = str(Path(cmake.CMAKE_BIN_DIR) / "ctest")
    listing = json.loads(_run([program, "--test-dir", str(folder), "--show-only=json-v1"], "ctest"))
    return [test["name"] for test in listing["tests"]]


def run_test(folder: Path, name: str, timeout: float, *, fixed_addresses: bool = False) -> str:
    """Runs one test program; its output. Fails the calling test when the program fails."""
    [program] = folder.rglob(f"test_{name}")
    command = [*(_UNRANDOMISED if fixed_addresses else ()), str(program)]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=timeout, check=False
        )
    except subprocess.TimeoutExpired as expired:
        raise AssertionError(f"{program.name} did not end within {timeout:.0f} s") from expired
    output = done.stdout + done.stderr
    assert done.returncode == 0, f"{program.name} ended with status {done.returncode}:\n{output[-8000:]}"
    return output
