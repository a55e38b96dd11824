"""Agrees with Hugging Face on any text, survives any text, and refuses broken vocabularies."""

import time
from pathlib import Path

import pytest
import tokenizers
from gptoss_gguf.errors import ModelFileError, RequestError
from gptoss_gguf.pretokenize import PATTERN, cut_long_blanks
from gptoss_gguf.tokenizer import Tokenizer
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Regex, decoders, models, pre_tokenizers

from . import unicode_strings, vocabulary
from .vocabulary import full_ranks, full_tokenizer, small_ranks, small_tokenizer

BLANKS = "".join(unicode_strings.BLANKS)


def hugging_face(ranks: tuple[bytes, ...], folder: Path) -> tokenizers.Tokenizer:
    """The same vocabulary as a tokenizer.json, read back by the tokenizers library."""
    vocab = {vocabulary.to_notation(token): rank for rank, token in enumerate(ranks)}
    built = tokenizers.Tokenizer(models.BPE(vocab=vocab, merges=vocabulary.merges(ranks)))
    built.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PATTERN), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=False),
        ]
    )
    built.decoder = decoders.ByteLevel()
    built.save(str(folder / "tokenizer.json"))
    return tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))


def assert_agreement(ours: Tokenizer, theirs: tokenizers.Tokenizer, n: int, seed: int) -> None:
    for text in unicode_strings.random_strings(n, seed):
        ids = ours.encode(text)
        assert ids == theirs.encode(text).ids, repr(text)
        assert ours.decode(ids) == text


def test_agrees_with_hugging_face_on_a_small_vocabulary(tmp_path: Path) -> None:
    assert_agreement(small_tokenizer(), hugging_face(small_ranks(), tmp_path), 3000, seed=1)


@pytest.mark.slow
def test_agrees_with_hugging_face_on_the_full_vocabulary(tmp_path: Path) -> None:
    ranks = full_ranks()
    assert len(vocabulary.merges(ranks)) == 446_189  # as many as the published GGUF files hold
    assert_agreement(full_tokenizer(), hugging_face(ranks, tmp_path), 20_000, seed=2)


def test_published_ids() -> None:
    tokenizer = full_tokenizer()
    assert tokenizer.n_vocab == 201_088
    assert tokenizer.encode("hello world") == [24912, 2375]
    assert [
        tokenizer.special(f"<|{name}|>") for name in ("start", "end", "message", "channel", "return", "call")
    ] == [
        200006,
        200007,
        200008,
        200005,
        200002,
        200012,
    ]


def test_text_never_becomes_a_control_token() -> None:
    tokenizer = small_tokenizer()
    control = set(tokenizer.specials.values())
    for name in tokenizer.specials:
        ids = tokenizer.encode(f"a{name}b")
        assert not control & set(ids)
        assert tokenizer.decode(ids) == f"a{name}b"
    assert tokenizer.decode([tokenizer.special("<|end|>")]) == "<|end|>"


@pytest.mark.parametrize(
    ("text", "stands_for"),
    [("\ud800", "\ufffd"), ("a\udfffb", "a\ufffdb"), ("\ud83d\ude00", "\U0001f600"), ("\ud83d!", "\ufffd!")],
)
def test_surrogates_are_joined_or_replaced(text: str, stands_for: str) -> None:
    tokenizer = small_tokenizer()
    assert tokenizer.encode(text) == tokenizer.encode(stands_for)
    assert tokenizer.decode(tokenizer.encode(text)) == stands_for


@given(st.text())
def test_round_trip(text: str) -> None:
    assert small_tokenizer().decode(small_tokenizer().encode(text)) == text


@given(
    st.lists(
        st.one_of(
            st.text(alphabet=BLANKS, max_size=12),
            st.sampled_from(
                [*unicode_strings.NEWLINES, *unicode_strings.MARKS, "x", "X", "7", "!", "/", "'s"]
            ),
        ),
        max_size=12,
    ).map("".join),
    st.integers(2, 9),
)
def test_cut_segments_give_the_tokens_of_the_whole(text: str, limit: int) -> None:
    tokenizer = small_tokenizer()
    segments = cut_long_blanks(text, limit)
    assert "".join(segment for segment, _ in segments) == text
    ids = []
    for segment, is_one_pretoken in segments:
        ids += (
            tokenizer._encode_pretoken(segment)
            if is_one_pretoken
            else tokenizer._encoding.encode_ordinary(segment)
        )
    assert ids == tokenizer.encode(text)


@given(st.text(alphabet=BLANKS + "\r\nx", max_size=60), st.integers(2, 9))
def test_cut_leaves_no_long_run(text: str, limit: int) -> None:
    for segment, is_one_pretoken in cut_long_blanks(text, limit):
        if not is_one_pretoken:
            run = 0
            for char, following in zip(segment, segment[1:] + "$", strict=True):
                run = run + 1 if char in BLANKS else 0
                # a run that a newline follows is matched without a stack
                assert run < limit or following in BLANKS + "\r\n"


@pytest.mark.parametrize("blank", [" ", "\t", "\u3000", "\x85", " \t\xa0"])
@pytest.mark.parametrize(
    ("before", "after"), [("", ""), ("a", "b"), ("!\n", "!"), ("1\r\n", "\u0301"), ("", "\nx")]
)
def test_cut_at_sizes_that_tiktoken_can_do(blank: str, before: str, after: str) -> None:
    text = before + blank * (240_000 // len(blank)) + after + " tail"
    tokenizer = small_tokenizer()
    assert tokenizer.encode(text) == tokenizer._encoding.encode_ordinary(text)


CLASSES = {
    "lower": "a",
    "upper": "A",
    "titles": "Aa",
    "digits": "7",
    "spaces": " ",
    "tabs": "\t",
    "newlines": "\n",
    "crlf": "\r\n",
    "space newline": " \n",
    "mixed blanks": " \t\xa0\u3000\x85",
    "all white space": " \t\r\n\x85\u3000",
    "u0085": "\x85",
    "u3000": "\u3000",
    "punctuation": "!",
    "slashes": "/",
    "mixed punctuation": "!?/.,",
    "punctuation newline": "!\n/",
    "cjk": "\u4e2d",
    "mixed cjk": "\u4e2d\u3042\ud55c a1",
    "emoji": "\U0001f600",
    "joined emoji": "\U0001f469\u200d",
    "marks": "\u0301",
    "marked letters": "e\u0301",
    "punctuation marks": "!!\u0301",
    "contractions": "'s",
    "control": "\x1c",
    "nul": "\0",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", CLASSES)
def test_ten_megabytes_of_one_class(name: str) -> None:
    tokenizer = full_tokenizer()
    unit = CLASSES[name]
    text = unit * (10_000_000 // len(unit.encode())) + ("x" if name != "spaces" else "")
    begin = time.perf_counter()
    ids = tokenizer.encode(text)
    assert time.perf_counter() - begin < 60  # a quadratic case takes hours
    assert tokenizer.decode(ids) == text


def test_ids_outside_the_vocabulary() -> None:
    tokenizer = small_tokenizer()
    for bad in (-1, tokenizer.n_vocab, 2**40):
        with pytest.raises(RequestError, match="not in the vocabulary of 1564"):
            tokenizer.decode([bad])
    with pytest.raises(RequestError, match="no token <\\|nope\\|>"):
        tokenizer.special("<|nope|>")
    with pytest.raises(RequestError, match="must be a str, not bytes"):
        tokenizer.encode(b"x")  # type: ignore[arg-type]


def test_from_metadata() -> None:
    tokenizer = Tokenizer.from_metadata(vocabulary.metadata(list(small_ranks())), source="x.gguf")
    assert tokenizer.encode("hello") == small_tokenizer().encode("hello")


def test_ollamas_wrong_pre_tokenizer_name() -> None:
    change = {"general.architecture": "gptoss", "tokenizer.ggml.pre": "default"}
    tokenizer = Tokenizer.from_metadata(vocabulary.metadata(list(small_ranks())) | change, source="x.gguf")
    assert tokenizer.encode("hello") == small_tokenizer().encode("hello")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"tokenizer.ggml.pre": "llama-bpe"},
            r"x.gguf: tokenizer.ggml.pre is 'llama-bpe', expected 'gpt-4o'",
        ),
        ({"tokenizer.ggml.pre": "default"}, "tokenizer.ggml.pre is 'default'"),
        ({"tokenizer.ggml.model": None}, "tokenizer.ggml.model is None"),
        ({"tokenizer.ggml.token_type": [1]}, "1 entries for 1564 tokens"),
    ],
)
def test_metadata_of_another_vocabulary(change: dict[str, object], message: str) -> None:
    with pytest.raises(ModelFileError, match=message):
        Tokenizer.from_metadata(vocabulary.metadata(list(small_ranks())) | change, source="x.gguf")


@pytest.mark.parametrize("key", ["tokenizer.ggml.tokens", "tokenizer.ggml.token_type"])
def test_missing_lists(key: str) -> None:
    metadata = vocabulary.metadata(list(small_ranks()))
    del metadata[key]
    with pytest.raises(ModelFileError, match=f"x.gguf: the key {key} is missing"):
        Tokenizer.from_metadata(metadata, source="x.gguf")


def broken(change: str) -> list[bytes]:
    ranks = list(small_ranks())
    if change == "reversed":
        return ranks[::-1]
    if change == "no byte":
        return [r for r in ranks if r != b"\xff"]
    if change == "part missing":
        return [r for r in ranks if r not in (b" t", b"he")]  # " the" and others lose their parts
    return [*ranks[:-1], ranks[0]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("reversed", "not in rank order"),
        ("no byte", "1 of the 256 single bytes are no tokens .first: 0xff"),
        ("part missing", "not made of two tokens before it"),
        ("duplicate", "tokens 0 and 1499 are the same"),
    ],
)
def test_broken_vocabularies(change: str, message: str) -> None:
    with pytest.raises(ModelFileError, match=message):
        Tokenizer(*vocabulary.gguf_vocabulary(broken(change)))


@pytest.mark.parametrize(
    ("token", "kind", "message"), [("a b", 1, "GPT-2 byte notation"), ("\udcff", 3, "not in UTF-8")]
)
def test_token_in_another_notation(token: str, kind: int, message: str) -> None:
    tokens, types = vocabulary.gguf_vocabulary(list(small_ranks()))
    tokens[-1], types[-1] = token, kind
    with pytest.raises(ModelFileError, match=message):
        Tokenizer(tokens, types)


def test_pattern_is_the_published_one(monkeypatch: pytest.MonkeyPatch) -> None:
    from tiktoken_ext import openai_public

    monkeypatch.setattr(openai_public, "load_tiktoken_bpe", lambda *_, **__: {})  # would download the ranks
    assert openai_public.o200k_base()["pat_str"] == PATTERN
