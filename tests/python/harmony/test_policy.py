"""What stays in the prompt, and how messages are stored."""

import pytest
from gptoss_gguf.harmony import Message, close_message, drop_finished_reasoning
from gptoss_gguf.harmony import function_call as call
from gptoss_gguf.harmony import function_result as result
from hypothesis import given
from hypothesis import strategies as st

from ..vocabulary import small_tokenizer
from .token_text import token_ids

SYSTEM, USER = Message("system", content="s"), Message("user", content="u")
THOUGHT = Message("assistant", channel="analysis", content="t")
PREAMBLE = Message("assistant", channel="commentary", content="p")
ANSWER = Message("assistant", channel="final", content="f")
CALL, RESULT = call("f", "{}"), result("f", "1")
ODD_CALL, ODD_RESULT = call("f", "{}", channel="analysis"), result("f", "1", channel="analysis")
SEARCH = Message("assistant", channel="analysis", recipient="browser.search", content="{}")
FOUND = Message("tool", name="browser.search", recipient="assistant", channel="analysis", content="1")


@pytest.mark.parametrize(
    ("history", "kept"),
    [
        pytest.param([SYSTEM, USER], [SYSTEM, USER], id="nothing to drop"),
        pytest.param([USER, THOUGHT, ANSWER], [USER, THOUGHT, ANSWER], id="open turn"),
        pytest.param([USER, THOUGHT, ANSWER, USER], [USER, ANSWER, USER], id="answered turn"),
        pytest.param(
            [USER, THOUGHT, ANSWER, USER, THOUGHT, ANSWER, USER],
            [USER, ANSWER, USER, ANSWER, USER],
            id="every answered turn",
        ),
        pytest.param(
            [USER, THOUGHT, ANSWER, USER, THOUGHT, CALL, RESULT],
            [USER, ANSWER, USER, THOUGHT, CALL, RESULT],
            id="open tool chain",
        ),
        pytest.param(
            [USER, THOUGHT, PREAMBLE, CALL, RESULT, THOUGHT, ANSWER, USER],
            [USER, PREAMBLE, CALL, RESULT, ANSWER, USER],
            id="answered tool chain",
        ),
        pytest.param(
            [USER, THOUGHT, CALL, RESULT, USER, THOUGHT],
            [USER, THOUGHT, CALL, RESULT, USER, THOUGHT],
            id="interrupted tool chain",
        ),
        pytest.param(
            [USER, THOUGHT, ODD_CALL, RESULT, ODD_CALL, ODD_RESULT, ANSWER, USER],
            [USER, ODD_CALL, RESULT, ODD_CALL, ODD_RESULT, ANSWER, USER],
            id="functions called on the analysis channel",
        ),
        pytest.param(
            [USER, THOUGHT, SEARCH, FOUND, THOUGHT, ANSWER, USER], [USER, ANSWER, USER], id="built-in tools"
        ),
        pytest.param([], [], id="empty"),
    ],
)
def test_reasoning_is_dropped_after_the_answer(history: list[Message], kept: list[Message]) -> None:
    assert drop_finished_reasoning(iter(history)) == kept


@given(st.lists(st.sampled_from([SYSTEM, USER, THOUGHT, PREAMBLE, ANSWER, CALL, RESULT, SEARCH, FOUND])))
def test_dropping(history: list[Message]) -> None:
    """Once is enough, the order stays, and only the analysis channel loses anything."""
    kept = drop_finished_reasoning(history)
    assert drop_finished_reasoning(kept) == kept
    others = [message for message in history if message.channel != "analysis"]
    assert [message for message in kept if message.channel != "analysis"] == others
    rest = iter(history)
    assert all(message in rest for message in kept)
    last_user = max((i for i, message in enumerate(history) if message is USER), default=0)
    assert kept[len(kept) - (len(history) - last_user) :] == history[last_user:]


@pytest.mark.parametrize(
    ("recipient", "sampled", "stored"),
    [
        (None, "x<|return|>", "x<|end|>"),
        (None, "x<|endoftext|>", "x<|end|>"),
        (None, "x<|end|>", "x<|end|>"),
        (None, "x", "x<|end|>"),
        ("functions.f", "x<|call|>", "x<|call|>"),
        ("functions.f", "x<|return|>", "x<|call|>"),
        ("functions.f", "x", "x<|call|>"),
        ("functions.f", "x<|end|>", "x<|end|>"),  # as the model wrote it, and as it is in the cache
    ],
)
def test_the_end_as_it_is_stored(recipient: str | None, sampled: str, stored: str) -> None:
    tokenizer = small_tokenizer()
    message = Message("assistant", recipient=recipient, token_ids=tuple(token_ids(tokenizer, sampled)))
    assert close_message(tokenizer, message).token_ids == tuple(token_ids(tokenizer, stored))


def test_a_message_without_ids_is_stored_as_it_is() -> None:
    assert close_message(small_tokenizer(), ANSWER) is ANSWER
