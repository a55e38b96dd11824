"""How long loading takes: a process of its own opens the model and computes one token.

python -m gptoss_gguf.bench.load MODEL DEVICE THREADS CACHE prints one object of JSON; CACHE is 1 or 0.
"""

import json
import os
import resource
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from gptoss_gguf import _native
from gptoss_gguf.bench.setup import Setup
from gptoss_gguf.errors import GptossError
from gptoss_gguf.loading import open_engine

_N_CTX = 512
_REFUSED = 3  # exit status: what stderr says is for the user


@dataclass(frozen=True)
class Load:
    """One load.

    Attributes:
        ready_seconds: until the engine takes requests.
        token_seconds: from then until the first token of the shortest prompt; with it come the weights that a
            mapped file has not read yet.
        read_bytes: read from storage, None where the system does not tell.
        peak_rss: most bytes of memory, mapped weights included.
        weights_file: where prepared weights wait for the next start; "" if nowhere.
    """

    ready_seconds: float
    token_seconds: float
    read_bytes: int | None
    peak_rss: int
    weights_file: str = ""


def measure_loads(path: Path, setup: Setup) -> dict[str, Load]:
    """Loads the model cold, that is with its pages dropped from the system's cache, and warm.

    With them comes the "first" load, if prepared weights were to be kept and there were none.
    """
    begin = time.time()
    first = _load_elsewhere(path, setup)
    drop_from_cache(path, first.weights_file)
    loads = {kind: _load_elsewhere(path, setup) for kind in ("cold", "warm")}
    is_new = bool(first.weights_file) and Path(first.weights_file).stat().st_mtime >= begin
    return {"first": first} | loads if is_new else loads


def drop_from_cache(path: Path, weights_file: str = "") -> None:
    """Asks the system to forget what it has read of a model; pages that others use stay."""
    for part in filter(None, [*_native.ModelFile(str(path)).paths, weights_file]):
        with open(part, "rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _load_elsewhere(path: Path, setup: Setup) -> Load:
    command = [sys.executable, "-m", "gptoss_gguf.bench.load", str(path), json.dumps(asdict(setup))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == _REFUSED:
        raise GptossError(done.stderr.strip())
    if done.returncode != 0:
        reason = done.stderr.strip().rpartition("\n")[2] or f"it ended with status {done.returncode}"
        raise GptossError(f"{path}: could not be loaded in a process of its own: {reason}")
    return Load(**json.loads(done.stdout))


def load_here(path: Path, setup: Setup) -> Load:
    """Loads the model in this process."""
    begin = time.monotonic()
    engine = open_engine(path, **asdict(setup), n_ctx=_N_CTX, max_sequences=1, quiet=True)
    ready = time.monotonic()
    completion = engine.submit(_native.Request([0], max_tokens=1, temperature=0))
    while completion.next_chunk(0.1) is None:
        pass
    end = time.monotonic()
    engine.close()
    return Load(ready - begin, end - ready, _own("io", "read_bytes"), _peak_rss(), engine.weights_file)


def _peak_rss() -> int:
    # What getrusage says counts in the process that started this one.
    kilobytes = _own("status", "VmHWM") or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return kilobytes * 1024


def _own(file: str, key: str) -> int | None:
    """A number that the system keeps about this process; None where it does not tell."""
    try:
        lines = Path("/proc/self", file).read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) for line in lines if line.startswith(f"{key}:")), None)


def main(argv: list[str]) -> int:
    """Command line; returns the exit status."""
    path, setup = argv
    try:
        print(json.dumps(asdict(load_here(Path(path), Setup(**json.loads(setup))))))
    except GptossError as error:
        print(error, file=sys.stderr)
        return _REFUSED
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
