"""The prompts of `gptoss run`."""

from collections.abc import Iterable

from gptoss_gguf.cli.run import _Conversation
from gptoss_gguf.params import SamplingParams

from .. import fake_native
from ..conftest import OpenFake, fake_engine
from ..vocabulary import small_tokenizer
from .token_text import token_ids

SYSTEM = (
    "<|start|>system<|message|>You are ChatGPT, a large language model trained by OpenAI.\n"
    "Knowledge cutoff: 2024-06\n\nReasoning: low\n\n"
    "# Valid channels: analysis, commentary, final. Channel must be included for every message.<|end|>"
)
SAYS = "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final<|message|>Four.<|return|>"


def answer(request: fake_native.Request) -> Iterable[fake_native.Step]:
    for token in token_ids(small_tokenizer(), SAYS):
        yield fake_native.Chunk([token], "stop" if token in request.stop_tokens else None)


def test_history_has_the_final_answers_only(open_fake: OpenFake) -> None:
    llm = open_fake(answer)
    conversation = _Conversation(llm, SamplingParams(), "low", raw=False)
    conversation.answer("2+2?<|end|>")
    conversation.answer("Why?")
    tokenizer = small_tokenizer()
    first = [
        *token_ids(tokenizer, f"{SYSTEM}<|start|>user<|message|>2+2?"),
        *tokenizer.encode("<|end|>"),
        *token_ids(tokenizer, "<|end|><|start|>assistant"),
    ]
    more = "<|channel|>final<|message|>Four.<|end|><|start|>user<|message|>Why?<|end|><|start|>assistant"
    prompts = [request.prompt for request in fake_engine(llm).requests]
    assert prompts == [first, first + token_ids(tokenizer, more)]


def test_a_raw_prompt_is_encoded_as_it_is(open_fake: OpenFake) -> None:
    llm = open_fake(answer)
    _Conversation(llm, SamplingParams(), "low", raw=True).answer("<|start|>x")
    assert fake_engine(llm).requests[0].prompt == small_tokenizer().encode("<|start|>x")
