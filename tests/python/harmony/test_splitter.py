"""The splitter takes anything."""

import pytest
from gptoss_gguf.harmony import ChannelSplitter
from hypothesis import given
from hypothesis import strategies as st

from ..vocabulary import small_tokenizer
from .token_text import token_ids


def split(ids: list[int]) -> list[tuple[str, str]]:
    """All pieces; neighbours of the same channel joined."""
    splitter = ChannelSplitter(small_tokenizer())
    joined: list[tuple[str, str]] = []
    for channel, text in [*(piece for token in ids for piece in splitter.feed(token)), *splitter.flush()]:
        if joined and joined[-1][0] == channel:
            joined[-1] = (channel, joined[-1][1] + text)
        else:
            joined.append((channel, text))
    return joined


WELL_FORMED = (
    "<|channel|>analysis<|message|>Think \U0001f9a5.<|end|>"
    "<|start|>assistant<|channel|>final<|message|>4<|return|>"
)


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        (WELL_FORMED, [("analysis", "Think \U0001f9a5."), ("final", "4")]),
        (WELL_FORMED.removesuffix("4<|return|>"), [("analysis", "Think \U0001f9a5.")]),
        (
            "<|channel|>commentary to=functions.f <|constrain|>json<|message|>{}<|call|>",
            [("commentary", "{}")],
        ),
        (" to=functions.f<|channel|>commentary<|message|>{}<|call|>", [("commentary", "{}")]),
        ("I cannot help with that.<|return|>", [("final", "I cannot help with that.")]),
        ("<|message|>no channel<|end|>", [("final", "no channel")]),
        ("<|channel|>comment<|message|>x<|end|>", [("final", "x")]),
        ("<|channel|>analysis??<|message|>x<|end|>", [("analysis", "x")]),
        ("<|channel|>analysis<|channel|>final<|message|>x<|return|>", [("final", "x")]),
        ("<|channel|>analysis<|message|>a<|channel|>final<|message|>b", [("analysis", "a"), ("final", "b")]),
        (
            "<|channel|>analysis<|message|>a<|start|>assistant<|channel|>final<|message|>b",
            [("analysis", "a"), ("final", "b")],
        ),
        ("<|channel|>final<|message|>x<|end|><|return|>", [("final", "x")]),
        ("<|channel|>final the answer<|end|>", [("final", "the answer")]),
        ("<|channel|>analysis<|message|>a<|end|>final<|message|>b", [("analysis", "a"), ("final", "b")]),
        ("<|channel|>final<|message|>" + "<|constrain|>x", [("final", "x")]),
        ("<|channel|>analysis " + "word " * 60, [("analysis", "word " * 60)]),
        ("<|start|>assistant<|channel|>final<|message|>x", [("final", "x")]),
        ("", []),
    ],
)
def test_splitter(text: str, pieces: list[tuple[str, str]]) -> None:
    assert split(token_ids(small_tokenizer(), text)) == pieces


TOKENS = st.lists(
    st.one_of(
        st.sampled_from(sorted(small_tokenizer().specials.values())[:16]),
        st.integers(0, 1499),
        st.sampled_from([-1, 1564, 10**12]),
    ),
    max_size=80,
)


@given(TOKENS)
def test_splitter_never_raises_and_invents_nothing(ids: list[int]) -> None:
    tokenizer = small_tokenizer()
    written = tokenizer.decode(i for i in ids if 0 <= i < 1500)
    splitter = ChannelSplitter(tokenizer)
    for channel, text in [*(piece for token in ids for piece in splitter.feed(token)), *splitter.flush()]:
        assert channel in ("analysis", "commentary", "final")
        assert text in written or "\ufffd" in text


@given(TOKENS, st.text(min_size=1, max_size=20))
def test_splitter_recovers_at_the_next_message(ids: list[int], text: str) -> None:
    tail = token_ids(small_tokenizer(), "<|end|><|start|>assistant<|channel|>final<|message|>")
    pieces = split([*ids, *tail, *small_tokenizer().encode(text)])
    assert pieces[-1][0] == "final"
    assert pieces[-1][1].endswith(text)
