"""AsyncLLM over the scripted engine. Each test runs its own event loop: no plugin is needed."""

import asyncio
import gc
import threading
from collections.abc import Coroutine, Iterable
from typing import Any

import numpy as np
import pytest
from gptoss_gguf import AsyncLLM, SamplingParams
from gptoss_gguf.errors import OutOfMemoryError, QueueFullError, RequestError
from gptoss_gguf.llm import LLM

from .conftest import OpenFake, fake_engine
from .fake_native import Chunk, Request, Step, slow_echo
from .test_llm import endless, say


def wrap(llm: LLM) -> AsyncLLM:
    """An AsyncLLM over an opened LLM."""
    wrapped = AsyncLLM.__new__(AsyncLLM)
    wrapped._llm = llm
    return wrapped


def run(main: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(asyncio.wait_for(main, timeout=20))


async def idle(llm: LLM) -> None:
    """Waits until the engine has nothing to do."""
    while fake_engine(llm).active:
        await asyncio.sleep(0.002)


def test_constructor_opens_a_model(open_fake: OpenFake, tmp_path: Any) -> None:
    open_fake(say("hi"))  # puts the scripted engine in place

    async def main() -> None:
        async with AsyncLLM(str(tmp_path / "fake.gguf"), n_ctx=9) as llm:
            assert (llm.n_ctx, llm.device, llm.stats().n_running) == (9, "fake", 0)
            assert (await llm.generate("x")).text == "hi"
            assert llm.tokenizer.n_vocab == 1564

    run(main())


def test_stream_and_generate(open_fake: OpenFake) -> None:
    llm = wrap(open_fake())

    async def main() -> None:
        assert "".join([c.text async for c in llm.stream("some text")]) == "some text"
        assert [o.text for o in await llm.generate(["a", "bb"])] == ["a", "bb"]
        twice = await llm.generate("c", SamplingParams(n=2))
        assert [o.text for o in twice] == ["c", "c"]
        assert await llm.generate([]) == []

    run(main())


def test_streams_share_the_loop_without_threads(open_fake: OpenFake) -> None:
    async def main() -> None:
        def slow(request: Request) -> Iterable[Step]:
            for token in request.prompt:
                yield 0.01
                yield Chunk([token])
            yield Chunk([], "length")

        llm = wrap(open_fake(slow))
        n_before = threading.active_count()
        texts = asyncio.gather(*(collect(llm, f"stream {i}") for i in range(20)))
        await asyncio.sleep(0.02)
        # one thread each belongs to the scripted engine
        assert threading.active_count() - n_before <= len(fake_engine(llm._llm).requests)
        assert await texts == [f"stream {i}" for i in range(20)]

    async def collect(llm: AsyncLLM, prompt: str) -> str:
        return "".join([c.text async for c in llm.stream(prompt)])

    run(main())


def test_leaving_a_stream_cancels(open_fake: OpenFake) -> None:
    llm = open_fake(endless)

    async def main() -> None:
        stream = wrap(llm).stream("x")
        await anext(stream)
        await stream.aclose()
        await idle(llm)
        dropped = wrap(llm).stream("x")
        await anext(dropped)
        del dropped
        gc.collect()
        await idle(llm)

    run(main())
    assert fake_engine(llm).n_cancelled == 2


def test_cancelling_the_task_cancels_the_request(open_fake: OpenFake) -> None:
    llm = open_fake(lambda _: [Chunk([65])])  # then silence: the task waits for the descriptor

    async def consume() -> None:
        async for _ in wrap(llm).stream("x"):
            pass

    async def main() -> None:
        task = asyncio.create_task(consume())
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await idle(llm)

    run(main())
    assert fake_engine(llm).n_cancelled == 1


def test_cancelling_generate_cancels_all(open_fake: OpenFake) -> None:
    llm = open_fake(endless)

    async def main() -> None:
        for delay in (0.05, 0):  # with 0 the tasks inside have not begun
            task = asyncio.create_task(wrap(llm).generate(["a", "b", "c"]))
            await asyncio.sleep(delay)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await idle(llm)

    run(main())
    assert fake_engine(llm).n_cancelled == len(fake_engine(llm).requests)


def test_full_queue_is_waited_for(open_fake: OpenFake) -> None:
    llm = open_fake(slow_echo, capacity=3)
    prompts = [f"prompt {i}" for i in range(20)]
    assert [o.text for o in run(wrap(llm).generate(prompts))] == prompts
    assert fake_engine(llm).n_refused > 0
    assert fake_engine(llm).most_active == 3


def test_queue_filled_by_a_stream(open_fake: OpenFake) -> None:
    llm = open_fake(lambda r: endless(r) if len(r.prompt) > 3 else say("ok")(r), capacity=1)

    async def main() -> None:
        hog = wrap(llm).stream("a long prompt that hogs the engine")
        await anext(hog)
        with pytest.raises(QueueFullError):
            await anext(wrap(llm).stream("x"))
        waiting = asyncio.create_task(wrap(llm).generate("x"))
        await asyncio.sleep(0.05)
        assert not waiting.done()
        await hog.aclose()
        assert (await waiting).text == "ok"

    run(main())


def test_failure_cancels_the_rest(open_fake: OpenFake) -> None:
    def script(request: Request) -> Iterable[Step]:
        return [Chunk([65]), OutOfMemoryError("no pages")] if request.prompt == [66] else endless(request)

    llm = open_fake(script, capacity=2)

    async def main() -> None:
        with pytest.raises(OutOfMemoryError, match="no pages"):
            await wrap(llm).generate([[65], [66], [67]])
        await idle(llm)

    run(main())
    assert fake_engine(llm).n_cancelled == len(fake_engine(llm).requests) - 1


def test_requests_are_checked_at_once(open_fake: OpenFake) -> None:
    llm = wrap(open_fake())
    with pytest.raises(RequestError, match="n=2"):
        llm.stream("x", SamplingParams(n=2))
    with pytest.raises(RequestError, match="empty"):
        llm.stream("")


def test_logits(open_fake: OpenFake) -> None:
    rows = np.ones((2, 1564), np.float32)
    llm = open_fake(
        lambda _: [0.05, Chunk(prompt_logits=rows[:1]), 0.05, Chunk([], "length", prompt_logits=rows[1:])]
    )
    np.testing.assert_array_equal(run(wrap(llm).logits([1, 2])), rows)
