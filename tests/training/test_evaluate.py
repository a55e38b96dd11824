"""What counts as right, and what as well-formed."""

from __future__ import annotations

import pytest
from gptoss_gguf.harmony import Message, function_call, render_message
from gptoss_gguf.tokenizer import Tokenizer

from training.data import Expect
from training.evaluate import Score, is_right, markdown, summary
from training.harmony_check import Written, read_answer


def answer_ids(tokenizer: Tokenizer, *messages: Message, stop: str = "<|return|>") -> list[int]:
    """What the model writes: the messages, without the start that the prompt has, ended by `stop`."""
    ids = [token for message in messages for token in render_message(tokenizer, message)]
    return [*ids[1 + len(tokenizer.encode("assistant")) : -1], tokenizer.special(stop)]


THOUGHT = Message("assistant", channel="analysis", content="Hm.")
FINAL = Message("assistant", channel="final", content="Yes.")
CALL = function_call("f", "{}")


def test_answers_are_read(tokenizer: Tokenizer) -> None:
    assert read_answer(tokenizer, answer_ids(tokenizer, THOUGHT, FINAL)) == [
        Written("analysis", None, "Hm."),
        Written("final", None, "Yes."),
    ]
    assert read_answer(tokenizer, answer_ids(tokenizer, CALL, stop="<|call|>")) == [
        Written("commentary", "functions.f", "{}")
    ]


@pytest.mark.parametrize(
    ("messages", "stop"),
    [
        ((THOUGHT,), "<|return|>"),
        ((FINAL,), "<|call|>"),
        ((FINAL,), "<|end|>"),
        ((FINAL, FINAL), "<|return|>"),
        ((THOUGHT, CALL), "<|return|>"),
        ((Message("assistant", channel="comments", content="a"),), "<|return|>"),
        ((Message("assistant", channel="final", recipient="functions.f", content="a"),), "<|call|>"),
        ((Message("assistant", channel="commentary", recipient="functions.f", content="a"),), "<|call|>"),
        (
            (
                Message(
                    "assistant",
                    channel="commentary",
                    recipient="f",
                    content_type="<|constrain|>json",
                    content="a",
                ),
            ),
            "<|call|>",
        ),
        ((Message("assistant", content="a"),), "<|return|>"),
    ],
)
def test_malformed_answers_are_refused(
    tokenizer: Tokenizer, messages: tuple[Message, ...], stop: str
) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_answer(tokenizer, answer_ids(tokenizer, *messages, stop=stop))


def test_stray_tokens_are_refused(tokenizer: Tokenizer) -> None:
    ids = answer_ids(tokenizer, FINAL)
    for name in ("<|channel|>", "<|constrain|>", "<|start|>"):
        with pytest.raises(ValueError, match=r"."):
            read_answer(tokenizer, [*ids[:-1], tokenizer.special(name), ids[-1]])
    half_a_character = next(i for i in range(tokenizer.n_vocab) if tokenizer.token_bytes(i) == b"\xe4")
    with pytest.raises(ValueError, match="utf-8"):
        read_answer(tokenizer, [*ids[:-1], half_a_character, ids[-1]])
    with pytest.raises(ValueError, match="end"):
        read_answer(tokenizer, [])


def test_right_and_wrong() -> None:
    final = [Written("final", None, "It is Paris.")]
    call = [Written("commentary", "functions.f", '{"a": 1}')]
    form = [Written("final", None, '{"a":1}')]
    assert is_right(Expect(contains=("Paris",)), final)
    assert not is_right(Expect(contains=("Rome",)), final)
    assert not is_right(Expect(contains=("I",)), final)
    assert is_right(Expect(equals="It is Paris."), final)
    assert not is_right(Expect(equals="Paris"), final)
    assert is_right(Expect(call=("f", {"a": 1})), call)
    assert not is_right(Expect(call=("f", {"a": 2})), call)
    assert not is_right(Expect(call=("g", {"a": 1})), call)
    assert not is_right(Expect(contains=("1",)), call)
    assert is_right(Expect(json={"a": 1}), form)
    assert not is_right(Expect(json={"a": 1}), final)


def test_the_tables() -> None:
    scores = {"facts": Score(10, 9, 10, 10), "schema": Score(10, 8, 10, 9, valid=10)}
    assert summary(scores) == {
        "facts and arithmetic": (0.9, 0.95),
        "schema answers": (1.0, 0.9),
        "well-formed Harmony at temperature 1.0": (0.95, 0.99),
    }
    text = markdown(scores)
    assert "| schema answers | 100.0% | 90% |" in text
    assert "| facts | 10 | 90.0% |  | 100.0% | 100.0% |" in text
