"""What is timed: prompts and generations at depths, named as in llama-bench."""

from collections.abc import Sequence
from dataclasses import dataclass

from gptoss_gguf.errors import RequestError


@dataclass(frozen=True, slots=True)
class Case:
    """Either n_prompt tokens at once or n_gen one by one, with n_depth tokens in the KV cache before them.

    n_parallel: sequences that generate at the same time, each of them n_gen tokens behind n_depth.
    """

    n_prompt: int
    n_gen: int
    n_depth: int
    n_parallel: int = 1

    @property
    def name(self) -> str:
        """As in llama-bench: pp512, tg128, "tg128 @ d1024"; and "tg128 x8" for 8 sequences."""
        name = f"pp{self.n_prompt}" if self.n_prompt else f"tg{self.n_gen}"
        if self.n_parallel > 1:
            name += f" x{self.n_parallel}"
        return f"{name} @ d{self.n_depth}" if self.n_depth else name

    @property
    def n_tokens(self) -> int:
        """Tokens that are timed, of all sequences."""
        return self.n_prompt or self.n_gen * self.n_parallel

    @property
    def n_computed(self) -> int:
        """Tokens of a run, those of the depth included."""
        return self.n_depth * self.n_parallel + self.n_tokens

    @property
    def n_ctx(self) -> int:
        """Context of a sequence that it takes."""
        return self.n_depth + (self.n_prompt or self.n_gen) + 1


def cases(
    n_prompts: Sequence[int],
    n_gens: Sequence[int],
    n_depths: Sequence[int],
    n_parallels: Sequence[int] = (1,),
) -> list[Case]:
    """All combinations in llama-bench's order; a length of 0 leaves that kind out.

    n_parallels: numbers of sequences, of generations alone.
    """
    if min(n_parallels) < 1:
        raise RequestError("--parallel 0: at least one sequence generates")
    found = []
    for n_depth in n_depths:
        found += [Case(n_prompt, 0, n_depth) for n_prompt in n_prompts if n_prompt]
        found += [Case(0, n_gen, n_depth, n) for n_gen in n_gens if n_gen for n in n_parallels]
    if not found:
        raise RequestError("nothing to time: every prompt and generation has length 0 (-p, -n)")
    return found


def parse_counts(text: str, flag: str) -> list[int]:
    """The numbers of a comma list: "128,512" -> [128, 512]. Raises RequestError naming the flag."""
    try:
        counts = [int(part) for part in text.split(",")]
    except ValueError:
        counts = [-1]
    if min(counts) < 0 or max(counts) >= 2**31:
        raise RequestError(f"{flag} {text}: expected a number from 0, or several with commas between them")
    return list(dict.fromkeys(counts))
