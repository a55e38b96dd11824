"""Configures and builds the native test programs with the cmake and ninja of this Python environment."""

from __future__ import annotations

import fcntl
import json
import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import cmake
import ninja

ROOT: Final = Path(__file__).resolve().parents[2]
BUILD_SECONDS: Final = 1500


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


def ctest_commands(folder: Path) -> dict[str, list[str]]:
    """Tests that CMake knows in a build folder, and their commands, which name an emulator if need be."""
    program = str(Path(cmake.CMAKE_BIN_DIR) / "ctest")
    listing = json.loads(_run([program, "--test-dir", str(folder), "--show-only=json-v1"], "ctest"))
    return {test["name"]: test["command"] for test in listing["tests"]}


def run_test(
    folder: Path,
    name: str,
    timeout: float,
    *,
    wrapper: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
) -> str:
    """Runs one test program; its output. Fails the calling test unless tests ran and all of them passed."""
    command = [*wrapper, *ctest_commands(folder)[name]]
    try:
        done = subprocess.run(
            command,
            env={**os.environ, **(environment or {})},
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired as expired:
        raise AssertionError(f"test_{name} did not end within {timeout:.0f} s") from expired
    output = done.stdout + done.stderr
    assert done.returncode == 0, f"test_{name} ended with status {done.returncode}:\n{output[-8000:]}"
    assert re.search(r"^[1-9]\d* passed, 0 failed$", output, re.MULTILINE), output[-2000:]
    return output
