"""The blocking interface: load a model, complete prompts, stream, look at logits."""

import select
from collections import deque
from collections.abc import Callable, Generator, Iterable
from os import PathLike
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from gptoss_gguf.assemble import join
from gptoss_gguf.errors import QueueFullError, RequestError
from gptoss_gguf.models import resolve_model
from gptoss_gguf.output import Chunk, Output
from gptoss_gguf.params import SamplingParams
from gptoss_gguf.session import Job, Prompt, Running, Session, group_outputs, split_prompts
from gptoss_gguf.tokenizer import Tokenizer

if TYPE_CHECKING:
    from gptoss_gguf import _native

_POLL_SECONDS = 0.1  # how late Ctrl-C may be: a wait inside the engine is not interrupted by it


class LLM:
    """A gpt-oss model, loaded.

        with LLM("gpt-oss-20b") as llm:
            print(llm.generate("The capital of France is", SamplingParams(max_tokens=8)).text)

    Safe to use from several threads: their requests are computed together.
    """

    def __init__(
        self,
        model: str | PathLike[str] | None = None,
        *,
        device: str = "auto",
        compute: str = "auto",
        n_ctx: int = 0,
        n_threads: int = 0,
        n_batch: int = 512,
        n_parallel: int = 8,
        prefix_cache: bool = True,
        cache_dir: str | PathLike[str] | None = None,
        cache_disk_gb: float = 8,
        speculation: bool = True,
        weights_cache: bool = True,
        quiet: bool = False,
    ) -> None:
        """Loads a model; downloads or converts it first where that is needed.

        model: path of a .gguf file, a Hugging Face checkpoint folder, "org/repo[:QUANT]",
            "org/repo/file.gguf", "hf://org/repo[@revision][/file.gguf]", "gpt-oss-20b", "gpt-oss-120b", or
            "gpt-oss-demo": the tiny model in this package, which None is, too.
        device: "auto", or one of those that `gptoss info` lists.
        compute: what inputs of matrix products are rounded to, on the CPU: "int8" (fast, which "auto" is) or
            "bf16", as the model was trained, which is two to three times slower. Float weights take inputs as
            they are, but for BF16 ones with "bf16".
        n_ctx: most tokens of one sequence; 0 = as many as the model and the memory allow.
        n_threads: 0 = one per core that affinity and control groups allow.
        n_batch: most tokens computed in one step.
        n_parallel: most completions computed at once; further ones wait their turn.
        prefix_cache: keep what was computed for prompts and answers while there is room, so that whatever
            begins like one of them goes on from there. Changes no result.
        cache_dir: folder in which prefixes outlive the process; made if missing, and readable by this user
            only. They hold what was said. None = they end with the process.
        cache_disk_gb: most gigabytes there; those not used for longest go first.
        speculation: guess what repeats earlier text and check several tokens at once. Changes no result.
        weights_cache: keep the weights of a large model as the device computes with them, in the cache folder
            (about as large as the model), so that the next start takes a second.
        quiet: show no progress of downloads, conversions and loading on stderr.

        Raises ModelFileError, RequestError (a name or option that cannot be), OutOfMemoryError.
        """
        path = resolve_model(model, quiet=quiet)
        self._session = Session(
            path,
            device=device,
            compute=compute,
            n_ctx=n_ctx,
            n_threads=n_threads,
            n_batch=n_batch,
            n_parallel=n_parallel,
            prefix_cache=prefix_cache,
            cache_dir=cache_dir,
            cache_disk_gb=cache_disk_gb,
            speculation=speculation,
            weights_cache=weights_cache,
            quiet=quiet,
        )

    @property
    def tokenizer(self) -> Tokenizer:
        return self._session.tokenizer

    @property
    def device(self) -> str:
        """Where the model runs."""
        return self._session.engine.device

    @property
    def n_ctx(self) -> int:
        """Most tokens of one sequence, prompt and completion together."""
        return self._session.engine.n_ctx

    def generate(self, prompts: Prompt | Iterable[Prompt], params: SamplingParams | None = None) -> Any:
        """Completes one prompt (a str or a list of token ids) or a batch of them; waits for all.

        Returns an Output for one prompt and a list of Output, in order, for a batch; with params.n > 1 each
        Output becomes a list of n. All are submitted at once; where the engine's queue is full, the rest
        follows as the earlier ones finish. If anything fails, all that still run are cancelled.
        """
        params = params or SamplingParams()
        items, is_single = split_prompts(prompts)
        jobs = [job for prompt in items for job in self._session.jobs(prompt, params)]
        outputs = self._run_all(jobs)
        self._session.warn()
        return group_outputs(outputs, params.n, is_single)

    def stream(
        self,
        prompt: Prompt,
        params: SamplingParams | None = None,
        *,
        on_prompt: Callable[[int, int], None] | None = None,
    ) -> Generator[Chunk]:
        """Completes one prompt, chunk by chunk.

        The request is checked now and starts with the first chunk asked for. Closing the generator, dropping
        it, or an exception in the loop around it stops the work within one step. n_parallel streams are
        computed at once; a further one begins when one of them ends.

        on_prompt: called with (tokens of the prompt computed, tokens of the prompt) while it is computed.
        """
        return self._stream(self._only_job(prompt, params or SamplingParams()), on_prompt)

    def logits(self, token_ids: Iterable[int]) -> NDArray[np.float32]:
        """Logits of every position: float32 (n_tokens, n_vocab); row i predicts token i + 1."""
        with self._session.submit_logits(token_ids) as running:
            while not running.finished:
                running.poll(_POLL_SECONDS)
        return running.rows

    def stats(self) -> "_native.EngineStats":
        """Counters of the engine: steps, sequences running and waiting, cache pages."""
        return self._session.engine.stats()

    def close(self) -> None:
        """Cancels everything and frees the model. Idempotent."""
        self._session.engine.close()
        self._session.warn()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _only_job(self, prompt: Prompt, params: SamplingParams) -> Job:
        if params.n != 1:
            raise RequestError(f"n={params.n} is not allowed: a stream has one completion; use generate")
        return self._session.jobs(prompt, params)[0]

    def _stream(self, job: Job, on_prompt: Callable[[int, int], None] | None) -> Generator[Chunk]:
        n_done = 0
        with self._session.submit(job) as running:
            while not running.finished:
                chunk = running.poll(_POLL_SECONDS)
                if on_prompt is not None and running.n_prompt_done != n_done:
                    n_done = running.n_prompt_done
                    on_prompt(n_done, len(job.prompt))
                if chunk is not None:
                    yield chunk
        self._session.warn()

    def _run_all(self, jobs: list[Job]) -> list[Output]:
        """Runs the jobs, as many at a time as the engine's queue takes."""
        waiting = deque(enumerate(jobs))
        running: dict[int, Running] = {}  # by place in `jobs`
        chunks: list[list[Chunk]] = [[] for _ in jobs]
        try:
            while waiting or running:
                self._submit_what_fits(waiting, running)
                for place in _ready(running):
                    chunk = running[place].poll(0)
                    if chunk is not None:
                        chunks[place].append(chunk)
                    if running[place].finished:
                        del running[place]
        finally:
            for completion in running.values():
                completion.cancel()
        return [join(c) for c in chunks]

    def _submit_what_fits(self, waiting: deque[tuple[int, Job]], running: dict[int, Running]) -> None:
        while waiting:
            place, job = waiting[0]
            try:
                running[place] = self._session.submit(job)
            except QueueFullError:
                return
            waiting.popleft()


def _ready(running: dict[int, Running]) -> list[int]:
    """Waits until a chunk is there; the places that have one. Ctrl-C interrupts it at once.

    The time limit is for a queue that others filled: with nothing of our own running, it is the pause
    before the next attempt.
    """
    poll = select.poll()
    place_of = {}
    for place, completion in running.items():
        place_of[completion.fileno()] = place
        poll.register(completion.fileno(), select.POLLIN)
    return [place_of[fd] for fd, _ in poll.poll(_POLL_SECONDS * 1000)]
