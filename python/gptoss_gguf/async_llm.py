"""The asyncio interface: LLM with `await` and `async for`, without a thread per stream."""

import asyncio
from collections.abc import AsyncGenerator, Iterable
from functools import partial
from os import PathLike
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from gptoss_gguf.assemble import join
from gptoss_gguf.errors import QueueFullError
from gptoss_gguf.llm import LLM
from gptoss_gguf.output import Chunk, Output
from gptoss_gguf.params import SamplingParams
from gptoss_gguf.session import Job, Prompt, Running, group_outputs, split_prompts
from gptoss_gguf.tokenizer import Tokenizer

if TYPE_CHECKING:
    from gptoss_gguf import _native

_RETRY_SECONDS = 0.02  # pause before asking again where others fill the engine's queue


class AsyncLLM:
    """A loaded model for use inside an event loop. Loading blocks; nothing after that does.

        llm = AsyncLLM("gpt-oss-20b")
        async for chunk in llm.stream("Once upon a time"):
            print(chunk.text, end="", flush=True)

    Cancelling the task, closing the generator or dropping it stops the work within one step.
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
        """Loads a model; arguments and errors are those of LLM."""
        self._llm = LLM(
            model,
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
        return self._llm.tokenizer

    @property
    def device(self) -> str:
        """Where the model runs."""
        return self._llm.device

    @property
    def n_ctx(self) -> int:
        """Most tokens of one sequence, prompt and completion together."""
        return self._llm.n_ctx

    async def generate(self, prompts: Prompt | Iterable[Prompt], params: SamplingParams | None = None) -> Any:
        """Completes one prompt or a batch; returns what LLM.generate returns."""
        params = params or SamplingParams()
        items, is_single = split_prompts(prompts)
        jobs = [job for prompt in items for job in self._llm._session.jobs(prompt, params)]
        outputs = await self._run_all(jobs)
        self._llm._session.warn()
        return group_outputs(outputs, params.n, is_single)

    def stream(self, prompt: Prompt, params: SamplingParams | None = None) -> AsyncGenerator[Chunk]:
        """Completes one prompt, chunk by chunk. Checked now; starts with the first chunk asked for.

        Where the engine's queue is full, the first chunk raises QueueFullError.
        """
        return self._stream(self._llm._only_job(prompt, params or SamplingParams()))

    async def logits(self, token_ids: Iterable[int]) -> NDArray[np.float32]:
        """Logits of every position: float32 (n_tokens, n_vocab); row i predicts token i + 1."""
        with self._llm._session.submit_logits(token_ids) as running:
            while not running.finished:
                await _readable(running.fileno())
                running.poll(0)
        return running.rows

    def stats(self) -> "_native.EngineStats":
        """Counters of the engine: steps, sequences running and waiting, cache pages."""
        return self._llm.stats()

    def close(self) -> None:
        """Cancels everything and frees the model. Idempotent."""
        self._llm.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def _stream(self, job: Job) -> AsyncGenerator[Chunk]:
        with self._llm._session.submit(job) as running:
            while not running.finished:
                chunk = running.poll(0)
                if chunk is not None:
                    yield chunk
                elif not running.finished:
                    await _readable(running.fileno())

    async def _run_all(self, jobs: list[Job]) -> list[Output]:
        """Runs the jobs, as many at a time as the engine's queue takes."""
        tasks: list[asyncio.Task[Output]] = []
        active: set[asyncio.Task[Output]] = set()
        try:
            for job in jobs:
                running = await self._submit_when_possible(job, active)
                task = asyncio.create_task(_collect(running))
                # A task that is cancelled before its first step never enters its `with` block.
                task.add_done_callback(partial(_cancel, running))
                task.add_done_callback(active.discard)
                tasks.append(task)
                active.add(task)
            return await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _submit_when_possible(self, job: Job, active: set[asyncio.Task[Output]]) -> Running:
        while True:
            try:
                return self._llm._session.submit(job)
            except QueueFullError:
                if not active:
                    await asyncio.sleep(_RETRY_SECONDS)
                    continue
            done, _ = await asyncio.wait(active, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()  # raises what went wrong there: the rest is not worth starting


async def _collect(running: Running) -> Output:
    chunks: list[Chunk] = []
    with running:
        while not running.finished:
            chunk = running.poll(0)
            if chunk is not None:
                chunks.append(chunk)
            elif not running.finished:
                await _readable(running.fileno())
    return join(chunks)


def _cancel(running: Running, _: object) -> None:
    running.cancel()


def _wake(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)


async def _readable(fd: int) -> None:
    """Waits until the engine has a chunk. One-shot: a reader left in place would fire while nobody reads."""
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    loop.add_reader(fd, _wake, ready)
    try:
        await ready
    finally:
        loop.remove_reader(fd)
