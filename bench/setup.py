"""How this package's engine is opened for a benchmark."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Setup:
    """Options of LLM that decide how fast a model runs, or how exactly."""

    device: str = "auto"
    compute: str = "auto"
    n_threads: int = 0
    weights_cache: bool = True
