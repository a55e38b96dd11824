"""Whole characters only, and stop strings found whatever the chunking."""

import pytest
from gptoss_gguf.detokenize import Detokenizer, StopStrings
from hypothesis import given
from hypothesis import strategies as st

from .vocabulary import small_tokenizer

TOKEN_IDS = st.lists(st.integers(0, small_tokenizer().n_vocab - 1), max_size=60)
# Few characters, so that stop strings overlap themselves and each other.
STOPS = st.lists(st.text(alphabet="ab\u4e2d", min_size=1, max_size=5), min_size=1, max_size=4)
TEXTS = st.lists(st.text(alphabet="ab\u4e2d", max_size=6), max_size=12)


def detokenize(ids: list[int]) -> list[str]:
    detokenizer = Detokenizer(small_tokenizer())
    return [*map(detokenizer.feed, ids), detokenizer.flush()]


@given(TOKEN_IDS)
def test_pieces_join_to_the_decoded_whole(ids: list[int]) -> None:
    assert "".join(detokenize(ids)) == small_tokenizer().decode(ids)


@given(st.text(max_size=30))
def test_no_piece_holds_half_a_character(text: str) -> None:
    ids = small_tokenizer().encode(text)
    assert "".join(detokenize(ids)) == text
    if "\ufffd" not in text:
        assert "\ufffd" not in "".join(detokenize(ids))


@given(st.lists(st.integers(0, 255), max_size=40))
def test_any_bytes_delay_at_most_three(raw: list[int]) -> None:
    tokenizer = small_tokenizer()
    id_of_byte = {tokenizer.token_bytes(i)[0]: i for i in range(256)}
    detokenizer = Detokenizer(tokenizer)
    shown = ""
    for n, byte in enumerate(raw, start=1):
        shown += detokenizer.feed(id_of_byte[byte])
        waiting = bytes(raw[:n])[-3:]
        assert bytes(raw[:n]).decode("utf-8", "replace").startswith(shown)
        assert len(bytes(raw[:n]).decode("utf-8", "replace")) - len(shown) <= len(waiting)
    assert shown + detokenizer.flush() == bytes(raw).decode("utf-8", "replace")


def test_an_emoji_over_several_tokens() -> None:
    ids = small_tokenizer().encode("\U0001f9a5")
    assert len(ids) > 1
    assert detokenize(ids) == [""] * (len(ids) - 1) + ["\U0001f9a5", ""]
    assert detokenize(ids[:-1])[-1] == "\ufffd"


def expected(text: str, stops: list[str]) -> tuple[str, str | None]:
    """The definition, one prefix after the other."""
    for end in range(1, len(text) + 1):
        for stop in sorted(stops, key=len, reverse=True):
            if text[:end].endswith(stop):
                return text[: end - len(stop)], stop
    return text, None


@given(TEXTS, STOPS)
def test_stop_strings_by_definition(chunks: list[str], stops: list[str]) -> None:
    matcher = StopStrings(stops)
    shown = ""
    for n, chunk in enumerate(chunks, start=1):
        shown += matcher.feed(chunk)
        so_far = "".join(chunks[:n])
        cut, found = expected(so_far, stops)
        assert matcher.found == found
        if found is None:
            held = so_far[len(shown) :]
            assert so_far == shown + held
            # held back only what may still become a stop string
            assert not held or any(stop.startswith(held) for stop in stops)
        else:
            assert shown == cut
    assert shown + matcher.flush() == expected("".join(chunks), stops)[0]


@given(TEXTS, st.text(alphabet="ab\u4e2d", min_size=1, max_size=5))
def test_one_stop_string_is_find(chunks: list[str], stop: str) -> None:
    matcher = StopStrings([stop])
    shown = "".join(map(matcher.feed, chunks)) + matcher.flush()
    at = "".join(chunks).find(stop)
    assert (matcher.found is not None) == (at >= 0)
    assert shown == ("".join(chunks) if at < 0 else "".join(chunks)[:at])


@pytest.mark.parametrize(
    ("stops", "chunks", "text", "found"),
    [
        (["END"], ["abcE", "N", "D more"], "abc", "END"),
        (["END"], ["abcEN", "E"], "abcENE", None),
        (["aab"], ["aa", "ab"], "a", "aab"),
        (["bc", "abc"], ["xab", "c"], "x", "abc"),  # both end here: the longest counts
        (["abcd", "c"], ["abcd"], "ab", "c"),  # "c" is complete first
        (["\n\n"], ["a\n", "\nb"], "a", "\n\n"),
        ([], ["a", "b"], "ab", None),
    ],
)
def test_stop_examples(stops: list[str], chunks: list[str], text: str, found: str | None) -> None:
    matcher = StopStrings(stops)
    assert "".join(map(matcher.feed, chunks)) + matcher.flush() == text
    assert matcher.found == found


def test_long_stop_string_costs_linear_time() -> None:
    matcher = StopStrings(["a" * 200_000 + "b"])
    text = "a" * 300_000
    assert "".join(matcher.feed(text[i : i + 4]) for i in range(0, len(text), 4)) == "a" * 100_000
    assert matcher.feed("b") == ""
    assert matcher.found is not None
