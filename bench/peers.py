"""Other engines to compare with. Each takes turns: a turn runs every case once."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any, Protocol

from gptoss_gguf.bench.cases import Case
from gptoss_gguf.errors import GptossError, RequestError

LLAMA_CPP = "llama.cpp"
# Warnings may stand between the lines of JSON.
_JSON_STARTS = (" ", "[", "]", "{", "}")
# Flags that llama-bench's relatives have beyond it, with what is best for gpt-oss on a CPU.
_BEST_FLAGS: Mapping[str, str] = {"--run-time-repack": "1", "--n-gpu-layers": "0"}
_NO_GPU: Mapping[str, str] = {"CUDA_VISIBLE_DEVICES": "", "HIP_VISIBLE_DEVICES": ""}
_LAST_LINES = 5  # of what a process said before it failed


class Peer(Protocol):
    """An engine in a process of its own."""

    name: str

    def turn(self, cases: Sequence[Case]) -> list[float]:
        """Runs each case once, behind a run that warms up; their seconds. Raises GptossError."""

    def rest(self) -> None:
        """Frees the memory; the next turn loads the model again."""


class LlamaCppPeer:
    """llama-cpp-python. It keeps the model loaded until it rests."""

    def __init__(self, path: Path, *, n_threads: int, cases: Sequence[Case]) -> None:
        if find_spec("llama_cpp") is None:
            raise RequestError(
                "--vs llama.cpp needs llama-cpp-python, built for this machine: "
                f'CMAKE_ARGS="-DGGML_NATIVE=ON" {sys.executable} -m pip install --no-binary llama-cpp-python '
                "llama-cpp-python"
            )
        n_ctx = max(case.n_ctx for case in cases)
        n_parallel = max(case.n_parallel for case in cases)
        self._arguments = [str(path), str(n_threads), str(n_ctx), str(n_parallel)]
        self._process: _Worker | None = None
        self.name = LLAMA_CPP

    def turn(self, cases: Sequence[Case]) -> list[float]:
        if self._process is None:
            self._process = _Worker([sys.executable, "-m", "gptoss_gguf.bench.llama_cpp", *self._arguments])
            self.name = f"{LLAMA_CPP} ({self._process.read()['version']})"
            for case in cases:
                self._run(case)
        return [self._run(case) for case in cases]

    def _run(self, case: Case) -> float:
        assert self._process is not None
        return float(self._process.ask(asdict(case))["seconds"])

    def rest(self) -> None:
        if self._process is not None:
            self._process.close()
            self._process = None


class LlamaBenchPeer:
    """A program that understands llama-bench's command line; every turn is a process."""

    def __init__(self, program: Path, path: Path, *, n_threads: int, cases: Sequence[Case]) -> None:
        if any(case.n_parallel > 1 for case in cases):
            raise RequestError(f"--vs {program}: llama-bench runs one sequence, so leave out --parallel")
        self.name = f"{program.parent.name}/{program.name}"
        self._program = program
        usage = self._output(["--help"])
        for flag in ("--n-depth", "--flash-attn", "--mmap"):
            if flag not in usage and (flag != "--n-depth" or any(case.n_depth for case in cases)):
                raise RequestError(f"--vs {program}: it does not know {flag}")
        self._common = ["-m", str(path), "-t", str(n_threads), "-r", "1", "-o", "json"]
        self._common += ["--flash-attn", "1", "--mmap", "0"]
        for flag, best in _BEST_FLAGS.items():
            self._common += [flag, best] if flag in usage else []

    def turn(self, cases: Sequence[Case]) -> list[float]:
        return [self._run(case) for case in cases]

    def _run(self, case: Case) -> float:
        lengths = ["-p", str(case.n_prompt), "-n", str(case.n_gen)]
        depth = ["-d", str(case.n_depth)] if case.n_depth else []
        text = self._output([*self._common, *lengths, *depth])
        try:
            [row] = json.loads("".join(line for line in text.splitlines() if line.startswith(_JSON_STARTS)))
            return float(row["avg_ns"]) / 1e9
        except (ValueError, KeyError, TypeError) as error:
            raise GptossError(
                f"{self._program}: no result of llama-bench's kind in: {text[:200]!r}"
            ) from error

    def _output(self, arguments: list[str]) -> str:
        command = [str(self._program), *arguments]
        env = {**os.environ, **_NO_GPU}
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, errors="replace", env=env, check=False
            )
        except OSError as error:
            raise RequestError(f"--vs {self._program}: {error.strerror}") from error
        if done.returncode != 0 and arguments != ["--help"]:
            raise GptossError(_failure(command, done.returncode, done.stderr))
        return done.stdout

    def rest(self) -> None:
        """There is nothing between turns."""


class _Worker:
    """A process that answers every line of JSON with one."""

    def __init__(self, command: list[str]) -> None:
        self._command = command
        self._errors: IO[str] = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env={**os.environ, **_NO_GPU},
        )

    def ask(self, question: Mapping[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(question) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # what the process said is found by read()
        return self.read()

    def read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            status = self._process.wait()
            self._errors.seek(0)
            raise GptossError(_failure(self._command, status, self._errors.read()))
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        self._process.kill()  # it has nothing to tidy up, and may be in the middle of a long case
        self._process.communicate()
        self._errors.close()


def _failure(command: Sequence[str], status: int, said: str) -> str:
    last = "\n".join(said.strip().splitlines()[-_LAST_LINES:])
    return f"{' '.join(command)} ended with status {status}:\n{last}"


def make_peer(name: str, path: Path, *, n_threads: int, cases: Sequence[Case]) -> Peer:
    """name: "llama.cpp", or the path of a program like llama-bench. Raises RequestError."""
    if name == LLAMA_CPP:
        return LlamaCppPeer(path, n_threads=n_threads, cases=cases)
    program = shutil.which(name)
    if program is None:
        raise RequestError(f"--vs {name}: give {LLAMA_CPP}, or the path of a llama-bench program")
    return LlamaBenchPeer(Path(program).absolute(), path, n_threads=n_threads, cases=cases)
