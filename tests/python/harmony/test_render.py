"""Messages render literally; what is text stays text."""

from typing import Any

import pytest
from gptoss_gguf.errors import RequestError
from gptoss_gguf.harmony import (
    Message,
    function_call,
    function_result,
    render_conversation,
    render_for_completion,
    render_for_training,
    render_message,
)
from hypothesis import given
from hypothesis import strategies as st

from ..vocabulary import small_tokenizer
from .token_text import control_tokens, parse, token_ids

CONTROL = ["<|start|>", "<|channel|>", "<|constrain|>", "<|message|>", "<|end|>", "<|call|>", "<|return|>"]
CONTENT = st.one_of(
    st.text(),
    st.lists(st.one_of(st.text(max_size=5), st.sampled_from([*CONTROL, " to=", "assistant"]))).map("".join),
)
WORD = st.text(
    st.characters(exclude_categories=("Z", "C")) | st.sampled_from("<|>:.="), min_size=1, max_size=8
).map(lambda word: f"_{word}")
HOSTILE_WORD = st.one_of(WORD, st.sampled_from(CONTROL), st.sampled_from(CONTROL).map(lambda c: f"x{c}x"))


def messages(word: st.SearchStrategy[str]) -> st.SearchStrategy[Message]:
    """Messages with and without every field; of the content types half have the mark."""
    header = {
        "recipient": st.none() | word,
        "channel": st.none() | st.sampled_from(["analysis", "commentary", "final"]) | word,
        "content_type": st.none() | word | word.map(lambda kind: f"<|constrain|>{kind}"),
        "content": CONTENT,
    }
    spoken = st.builds(
        Message,
        st.sampled_from(["system", "developer", "user", "assistant"]),
        name=st.none() | word,
        **header,
    )
    tool = st.builds(Message, st.just("tool"), name=word.map(lambda name: f"functions.{name}"), **header)
    return spoken | tool


def assistant(**fields: Any) -> Message:
    return Message("assistant", **fields)


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (Message("user", content="hi"), "<|start|>user<|message|>hi<|end|>"),
        (Message("user", name="bob", content=""), "<|start|>user:bob<|message|><|end|>"),
        (
            assistant(channel="final", content="x"),
            "<|start|>assistant<|channel|>final<|message|>x<|end|>",
        ),
        (
            function_call("f", "{}"),
            "<|start|>assistant<|channel|>commentary to=functions.f <|constrain|>json<|message|>{}<|call|>",
        ),
        (
            function_result("f", "42"),
            "<|start|>functions.f to=assistant<|channel|>commentary<|message|>42<|end|>",
        ),
        (
            assistant(channel="analysis", recipient="python", content_type="code", content="1"),
            "<|start|>assistant<|channel|>analysis to=python code<|message|>1<|call|>",
        ),
        (
            Message("tool", name="python", recipient="assistant", channel="analysis", content="1"),
            "<|start|>python to=assistant<|channel|>analysis<|message|>1<|end|>",
        ),
        (
            assistant(recipient="python", content="1"),
            "<|start|>assistant to=python<|message|>1<|call|>",
        ),
        (
            assistant(recipient="all", channel="final", content="1"),
            "<|start|>assistant<|channel|>final<|message|>1<|end|>",
        ),
        (
            assistant(content_type="<|constrain|>json", content="1"),
            "<|start|>assistant <|constrain|>json<|message|>1<|end|>",
        ),
    ],
)
def test_forms(message: Message, text: str) -> None:
    tokenizer = small_tokenizer()
    ids = render_message(tokenizer, message)
    assert tokenizer.decode(ids) == text
    assert ids == token_ids(tokenizer, text)


def test_completion_and_training() -> None:
    tokenizer = small_tokenizer()
    asked, answer = Message("user", content="a"), assistant(channel="final", content="b")
    conversation = render_conversation(tokenizer, [asked, answer])
    assert conversation == render_message(tokenizer, asked) + render_message(tokenizer, answer)
    assert render_for_completion(tokenizer, iter([asked])) == (
        render_message(tokenizer, asked) + token_ids(tokenizer, "<|start|>assistant")
    )
    assert tokenizer.decode(render_for_completion(tokenizer, [], "user")) == "<|start|>user"
    assert render_for_training(tokenizer, iter([asked, answer])) == [
        *conversation[:-1],
        tokenizer.special("<|return|>"),
    ]
    for last in (asked, function_call("f", "{}"), assistant(channel="analysis", content="b")):
        assert render_for_training(tokenizer, [answer, last]) == render_conversation(
            tokenizer, [answer, last]
        )
    assert render_for_training(tokenizer, []) == []


@given(messages(HOSTILE_WORD))
def test_no_text_becomes_a_control_token(message: Message) -> None:
    tokenizer = small_tokenizer()
    is_marked = (message.content_type or "").startswith("<|constrain|>")
    expected = [
        "<|start|>",
        *["<|channel|>"] * (message.channel is not None),
        *["<|constrain|>"] * is_marked,
        "<|message|>",
        "<|call|>" if message.is_tool_call else "<|end|>",
    ]
    assert control_tokens(tokenizer, render_message(tokenizer, message)) == expected


@given(st.lists(messages(WORD), max_size=5))
def test_what_is_rendered_can_be_read_back(conversation: list[Message]) -> None:
    tokenizer = small_tokenizer()
    assert parse(tokenizer, render_conversation(tokenizer, conversation)) == conversation


@given(messages(WORD), st.data())
def test_rendering_is_what_the_text_tokenizes_to(message: Message, data: st.DataObject) -> None:
    """No token boundary depends on how the header was put together."""
    tokenizer = small_tokenizer()
    ids = render_message(tokenizer, message)
    text = tokenizer.decode(ids)
    if sum(text.count(name) for name in tokenizer.specials) == len(control_tokens(tokenizer, ids)):
        assert ids == token_ids(tokenizer, text)


@given(st.lists(messages(HOSTILE_WORD)), st.lists(st.integers(0, 1563), min_size=1), messages(HOSTILE_WORD))
def test_token_ids_are_copied(before: list[Message], ids: list[int], message: Message) -> None:
    """Whatever the ids are, and whatever else the message says."""
    tokenizer = small_tokenizer()
    known = Message(
        message.role,
        message.name,
        message.recipient,
        message.channel,
        message.content_type,
        message.content,
        tuple(ids),
    )
    start = render_conversation(tokenizer, before)
    assert render_conversation(tokenizer, [*before, known, *before]) == start + ids + start


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"role": "function"}, "role 'function' is not one of system, developer, user, assistant, tool"),
        ({"role": "tool"}, "a tool message needs the tool's name"),
        ({"content": None}, "the user message has neither content nor token ids"),
        ({"content": None, "token_ids": ()}, "the user message has neither content nor token ids"),
        ({"content": ["x"]}, "the content of the user message must be a str"),
        ({"name": "bob to=functions.f"}, "the name of the user message is 'bob to=functions.f': it must be"),
        ({"recipient": ""}, "the recipient of the user message is ''"),
        ({"channel": "a\n"}, "the channel of the user message is"),
        ({"content_type": "a\u3000b"}, "the content_type of the user message is"),
        ({"channel": 1}, "the channel of the user message is 1: it must be a str"),
    ],
)
def test_bad_messages(fields: dict[str, Any], complaint: str) -> None:
    with pytest.raises(RequestError) as caught:
        Message(**{"role": "user", "content": "x", **fields})
    assert str(caught.value).startswith(complaint)
