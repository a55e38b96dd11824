"""LLM over the scripted engine: what is asked of the engine, and what is made of its chunks."""

import gc
import threading
import time
from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
from gptoss_gguf import SamplingParams
from gptoss_gguf.errors import OutOfMemoryError, RequestError
from gptoss_gguf.output import TokenLogprob, Usage

from .conftest import OpenFake, fake_engine
from .fake_native import Chunk, Request, Step, slow_echo
from .vocabulary import small_tokenizer

TOKENIZER = small_tokenizer()
RETURN = TOKENIZER.special("<|return|>")


def wait_until(condition: Any) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline, "did not happen within 5 s"
        time.sleep(0.002)


def say(text: str, *, finish: str | None = "stop", per_chunk: int = 1) -> Any:
    """A script that says `text`, whatever the prompt."""
    ids = TOKENIZER.encode(text)

    def script(request: Request) -> Iterable[Step]:
        for i in range(0, len(ids), per_chunk):
            yield Chunk(ids[i : i + per_chunk])
        if finish is not None:
            yield Chunk([RETURN] if finish == "stop" else [], finish)

    return script


def endless(request: Request) -> Iterable[Step]:
    while True:
        yield Chunk([65])
        yield 0.001


def test_generate_one(open_fake: OpenFake) -> None:
    output = open_fake(say("Hello \U0001f9a5!")).generate("Hi", SamplingParams(max_tokens=9))
    assert output.text == "Hello \U0001f9a5!"
    ids = [*TOKENIZER.encode("Hello \U0001f9a5!"), RETURN]
    assert output.token_ids == tuple(ids)
    assert output.usage == Usage(prompt_tokens=len(TOKENIZER.encode("Hi")), completion_tokens=len(ids))
    assert (output.finish_reason, output.reasoning, output.tool_calls, output.logprobs) == (
        "stop",
        "",
        (),
        None,
    )


def test_batch_keeps_order_and_shapes(open_fake: OpenFake) -> None:
    llm = open_fake()
    ids = TOKENIZER.encode("cc")
    prompts: list[str | list[int]] = ["a", ids, "bbb"]
    outputs = llm.generate(prompts)
    assert [o.text for o in outputs] == ["a", "cc", "bbb"]
    assert llm.generate(ids).text == "cc"
    assert llm.generate(np.array(ids)).text == "cc"
    assert llm.generate([]) == []
    twice = llm.generate(["a", "b"], SamplingParams(n=2, seed=7))
    assert [[o.text for o in outputs] for outputs in twice] == [["a", "a"], ["b", "b"]]
    requests = fake_engine(llm).requests[-4:]
    assert [r.completion_index for r in requests] == [0, 1, 0, 1]
    assert {r.options["seed"] for r in requests} == {7}
    assert [o.text for o in llm.generate("x", SamplingParams(n=2))] == ["x", "x"]


def test_what_the_engine_is_asked(open_fake: OpenFake) -> None:
    llm = open_fake(n_ctx=77, n_threads=3, n_batch=5, device="reference")
    options = fake_engine(llm).options
    assert (options.device, options.n_ctx, options.n_threads, options.n_batch) == ("reference", 77, 3, 5)
    assert (llm.device, llm.n_ctx) == ("reference", 77)
    params = SamplingParams(
        max_tokens=5,
        temperature=0.5,
        top_p=0.9,
        top_k=4,
        min_p=0.1,
        repetition_penalty=1.1,
        presence_penalty=0.2,
        frequency_penalty=0.3,
        logit_bias={5: -1.0},
        seed=11,
        stop_token_ids=[3, RETURN],
        logprobs=None,
        prediction="as it was",
        timeout=1.5,
        priority=2,
        client="editor",
    )
    llm.generate("x", params)
    ends = [TOKENIZER.special(f"<|{name}|>") for name in ("return", "call", "endoftext")]
    assert fake_engine(llm).requests[-1].options == {
        "max_tokens": 5,
        "stop_tokens": [3, *ends],
        "temperature": 0.5,
        "top_k": 4,
        "top_p": 0.9,
        "min_p": 0.1,
        "repetition_penalty": 1.1,
        "presence_penalty": 0.2,
        "frequency_penalty": 0.3,
        "logit_bias": [(5, -1.0)],
        "seed": 11,
        "completion_index": 0,
        "top_logprobs": -1,
        "prompt_logits": False,
        "client": "editor",
        "priority": 2,
        "timeout": 1.5,
        "prediction": TOKENIZER.encode("as it was"),
    }


def test_defaults_and_ignore_eos(open_fake: OpenFake) -> None:
    llm = open_fake(say("x", finish="length"))
    llm.generate("x")
    llm.generate("x", SamplingParams(ignore_eos=True, stop_token_ids=[9]))
    first, second = fake_engine(llm).requests
    assert first.options["max_tokens"] == -1
    assert second.stop_tokens == [9]
    assert first.options["seed"] != second.options["seed"]


def test_length_and_stop_token_of_the_caller(open_fake: OpenFake) -> None:
    llm = open_fake(say("abc", finish="length"))
    output = llm.generate("x")
    assert (output.text, output.finish_reason) == ("abc", "length")
    comma = TOKENIZER.encode(",")[0]
    output = open_fake(lambda _: [Chunk([*TOKENIZER.encode("ab"), comma], "stop")]).generate(
        "x", SamplingParams(stop_token_ids=[comma])
    )
    assert output.text == "ab"
    assert output.token_ids[-1] == comma


def test_control_tokens_inside_are_shown(open_fake: OpenFake) -> None:
    channel = TOKENIZER.special("<|channel|>")
    llm = open_fake(lambda _: [Chunk([channel, *TOKENIZER.encode("final"), RETURN], "stop")])
    assert llm.generate("x").text == "<|channel|>final"


@pytest.mark.parametrize("per_chunk", [1, 2, 100])
def test_stop_strings(open_fake: OpenFake, per_chunk: int) -> None:
    llm = open_fake(say("one two STOP three", finish=None, per_chunk=per_chunk))
    output = llm.generate("x", SamplingParams(stop=["STOP", "zzz"]))
    assert (output.text, output.finish_reason) == ("one two ", "stop")
    shown = TOKENIZER.decode(output.token_ids)
    assert "one two STOP".startswith(shown[:8])
    assert "STOP" in shown
    assert "three" not in shown
    assert output.usage.completion_tokens == len(output.token_ids)
    wait_until(lambda: not fake_engine(llm).active)
    assert fake_engine(llm).n_cancelled == 1


def test_stop_string_that_does_not_come_is_shown_at_the_end(open_fake: OpenFake) -> None:
    assert open_fake(say("one ST")).generate("x", SamplingParams(stop="STOP")).text == "one ST"


def test_half_a_character_at_the_end(open_fake: OpenFake) -> None:
    ids = TOKENIZER.encode("a\U0001f9a5")[:-1]
    chunks = list(open_fake(lambda _: [Chunk(ids), Chunk([], "length")]).stream("x"))
    assert [c.text for c in chunks] == ["a", "\ufffd"]


def test_logprobs(open_fake: OpenFake) -> None:
    def script(request: Request) -> Iterable[Step]:
        assert request.options["top_logprobs"] == 2
        yield Chunk([70, 71], None, [-0.5, -1.5], [[(70, -0.5), (9, -2.0)], [(8, -1.0), (71, -1.5)]])
        yield Chunk([RETURN], "stop", [-0.1], [[(RETURN, -0.1), (9, -4.0)]])

    output = open_fake(script).generate("x", SamplingParams(logprobs=2))
    assert output.logprobs == (
        TokenLogprob(70, -0.5, ((70, -0.5), (9, -2.0))),
        TokenLogprob(71, -1.5, ((8, -1.0), (71, -1.5))),
        TokenLogprob(RETURN, -0.1, ((RETURN, -0.1), (9, -4.0))),
    )


def test_stream(open_fake: OpenFake) -> None:
    llm = open_fake(lambda _: [Chunk(n_prompt=1), *say("ab cd")(_)])
    chunks = list(llm.stream("x"))
    assert "".join(c.text for c in chunks) == "ab cd"
    assert all(c.finish_reason is None and c.usage is None for c in chunks[:-1])
    assert all(c.token_ids for c in chunks)  # the progress of the prompt is no chunk
    assert chunks[-1].finish_reason == "stop"
    assert chunks[-1].usage == Usage(1, len(TOKENIZER.encode("ab cd")) + 1)
    assert fake_engine(llm).n_cancelled == 0


def close(stream: Any) -> None:
    stream.close()


def throw(stream: Any) -> None:
    with pytest.raises(KeyboardInterrupt):
        stream.throw(KeyboardInterrupt)


def drop(stream: Any) -> None:
    del stream
    gc.collect()


@pytest.mark.parametrize("leave", [close, throw, drop])
def test_leaving_a_stream_cancels(open_fake: OpenFake, leave: Any) -> None:
    llm = open_fake(endless)
    streams = [llm.stream("x")]
    next(streams[0])
    leave(streams.pop())
    wait_until(lambda: not fake_engine(llm).active)
    assert fake_engine(llm).n_cancelled == 1


def test_exception_in_the_loop_cancels(open_fake: OpenFake) -> None:
    llm = open_fake(endless)

    def consume() -> None:
        for _ in llm.stream("x"):
            raise ValueError("of the consumer")

    with pytest.raises(ValueError, match="of the consumer"):
        consume()
    wait_until(lambda: not fake_engine(llm).active)


def test_unstarted_stream_asks_nothing(open_fake: OpenFake) -> None:
    llm = open_fake(endless)
    llm.stream("x")
    assert fake_engine(llm).requests == []


def test_a_thousand_streams_leave_nothing(open_fake: OpenFake) -> None:
    llm = open_fake(lambda _: [Chunk([65])])
    for _ in range(1000):
        stream = llm.stream("x")
        next(stream)
        stream.close()
    wait_until(lambda: not fake_engine(llm).active)
    assert fake_engine(llm).n_cancelled == 1000


def test_full_queue_is_waited_for(open_fake: OpenFake) -> None:
    llm = open_fake(slow_echo, capacity=3)
    outputs = llm.generate([f"prompt {i}" for i in range(20)])
    assert [o.text for o in outputs] == [f"prompt {i}" for i in range(20)]
    assert fake_engine(llm).n_refused > 0
    assert fake_engine(llm).most_active == 3


def test_queue_filled_by_another_thread(open_fake: OpenFake) -> None:
    llm = open_fake(lambda r: endless(r) if len(r.prompt) > 3 else say("ok")(r), capacity=1)
    hog = llm.stream("a long prompt that hogs the engine")
    next(hog)
    threading.Timer(0.3, hog.close).start()
    assert llm.generate("x").text == "ok"


def test_failure_cancels_the_rest(open_fake: OpenFake) -> None:
    def script(request: Request) -> Iterable[Step]:
        return [Chunk([65]), OutOfMemoryError("no pages")] if request.prompt == [66] else endless(request)

    llm = open_fake(script)
    with pytest.raises(OutOfMemoryError, match="no pages"):
        llm.generate([[65], [66], [67]])
    wait_until(lambda: not fake_engine(llm).active)
    assert fake_engine(llm).n_cancelled == 2


def test_stop_string_frees_a_batch_neighbour_at_once(open_fake: OpenFake) -> None:
    """All completions are watched, not only the first: one that ran into its stop string ends."""
    llm = open_fake(lambda r: endless(r) if r.prompt == [65] else say("a END", finish=None)(r))
    threading.Timer(0.5, llm.close).start()
    outputs = llm.generate([[65], [66]], SamplingParams(stop="END"))
    assert [o.finish_reason for o in outputs] == ["cancelled", "stop"]


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        ("", "the prompt is empty"),
        ([""], "the prompt is empty"),
        (3, "prompts must be a str or a sequence, not int"),
        (None, "prompts must be a str or a sequence, not NoneType"),
        ([[1, "a"]], "item 1 is of type str"),
        ([1.5], "must be a str or a sequence of token ids, not float"),
        ([[True]], "item 0 is of type bool"),
        ([1, 1564], "token id 1564 at position 1 is not in the vocabulary of 1564 tokens"),
        ([-1], "token id -1 at position 0"),
    ],
)
def test_what_is_no_prompt(open_fake: OpenFake, prompt: Any, message: str) -> None:
    llm = open_fake()
    with pytest.raises(RequestError, match=message):
        llm.generate(prompt)
    assert fake_engine(llm).requests == []


def test_a_stream_has_one_completion(open_fake: OpenFake) -> None:
    with pytest.raises(RequestError, match="n=2 is not allowed"):
        open_fake().stream("x", SamplingParams(n=2))


def test_logits(open_fake: OpenFake) -> None:
    rows = np.arange(4 * 1564, dtype=np.float32).reshape(4, 1564)
    llm = open_fake(lambda _: [Chunk(prompt_logits=rows[:3]), Chunk([], "length", prompt_logits=rows[3:])])
    result = llm.logits([1, 2, 3, 4])
    assert result.dtype == np.float32
    np.testing.assert_array_equal(result, rows)
    request = fake_engine(llm).requests[-1]
    assert (request.options["max_tokens"], request.options["prompt_logits"]) == (0, True)
    with pytest.raises(RequestError, match="at least one token"):
        llm.logits([])


def test_logits_cut_short(open_fake: OpenFake) -> None:
    llm = open_fake(lambda _: [Chunk([], "cancelled")])
    with pytest.raises(RequestError, match="cancelled after 0 of 2 rows"):
        llm.logits([1, 2])


def test_close(open_fake: OpenFake) -> None:
    with open_fake() as llm:
        assert llm.stats().n_running == 0
    llm.close()
    with pytest.raises(RequestError, match="closed"):
        llm.generate("x")
