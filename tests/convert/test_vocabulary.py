"""tokenizer.json -> token list, types, merges and special ids; nonsense is named."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer

from convert.synthetic import SyntheticShape, write_synthetic_checkpoint
from convert.synthetic_vocab import byte_vocabulary
from convert.vocabulary import CONTROL, NORMAL, UNUSED, USER_DEFINED, Vocabulary, load_vocabulary

WORDS = [b"he", b"ll", b"hell", b"hello", b" h", b"\xc3\xa9"]
SIZE = 300


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A checkpoint with 262 BPE tokens, 21 Harmony tokens and reserved ones up to 300."""
    shape = SyntheticShape(n_layers=1, experts=4, hidden=32, ff=32, heads=8, kv_heads=1, vocab_size=SIZE)
    write_synthetic_checkpoint(tmp_path, shape, vocab=byte_vocabulary() + WORDS)
    return tmp_path


def edit(folder: Path, change: Callable[[dict[str, Any]], None], name: str = "tokenizer.json") -> None:
    path = folder / name
    value = json.loads(path.read_text(encoding="utf-8"))
    change(value)
    path.write_text(json.dumps(value), encoding="utf-8")


def load(folder: Path) -> tuple[Vocabulary | None, list[str]]:
    problems: list[str] = []
    config = json.loads((folder / "config.json").read_text())
    return load_vocabulary(folder, config, SIZE, problems), problems


def good(folder: Path) -> Vocabulary:
    vocabulary, problems = load(folder)
    assert problems == []
    assert vocabulary is not None
    return vocabulary


def test_tokens_types_merges_and_specials(folder: Path) -> None:
    vocabulary = good(folder)
    assert vocabulary.tokens[:3] == ("!", '"', "#")
    assert vocabulary.tokens[256:262] == ("he", "ll", "hell", "hello", "\u0120h", "\u00c3\u00a9")
    assert vocabulary.types == (NORMAL,) * 262 + (CONTROL,) * 38
    assert vocabulary.tokens[262:267] == (
        "<|startoftext|>", "<|endoftext|>", "<|reserved_264|>", "<|reserved_265|>", "<|return|>",
    )  # fmt: skip
    assert vocabulary.merges == ("h e", "l l", "he ll", "hell o", "\u0120 h", "\u00c3 \u00a9")
    assert vocabulary.specials == {"bos": 262, "eos": 266, "pad": 263}
    assert (vocabulary.add_bos, vocabulary.add_eos, vocabulary.chat_template) == (False, False, None)


def test_ids_without_a_token_are_padded(folder: Path) -> None:
    edit(folder, lambda t: t.update(added_tokens=t["added_tokens"][:21]))
    vocabulary = good(folder)
    assert vocabulary.tokens[282:285] == ("<|endofprompt|>", "[PAD283]", "[PAD284]")
    assert vocabulary.types[282:] == (CONTROL,) + (UNUSED,) * 17


def test_added_token_that_is_no_control_token(folder: Path) -> None:
    edit(folder, lambda t: t["added_tokens"][-1].update(content="plain", special=False))
    assert good(folder).types[-1] == USER_DEFINED


def test_merges_in_the_old_spelling(folder: Path) -> None:
    expected = good(folder).merges
    edit(folder, lambda t: t["model"].update(merges=[" ".join(pair) for pair in t["model"]["merges"]]))
    assert good(folder).merges == expected


def test_special_ids_come_from_the_settings_first(folder: Path) -> None:
    edit(folder, lambda s: s.update(eos_token={"content": "<|call|>"}), "tokenizer_config.json")
    edit(folder, lambda s: s.pop("pad_token"), "tokenizer_config.json")
    assert good(folder).specials == {"bos": 262, "eos": 276, "pad": 263}
    (folder / "tokenizer_config.json").unlink()
    assert good(folder).specials == {"bos": 262, "eos": 266, "pad": 263}


def test_chat_template(folder: Path) -> None:
    (folder / "chat_template.jinja").write_text("{{ from_file }}", encoding="utf-8")
    assert good(folder).chat_template == "{{ from_file }}"
    edit(folder, lambda s: s.update(chat_template="{{ from_settings }}"), "tokenizer_config.json")
    assert good(folder).chat_template == "{{ from_settings }}"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("model"), "must be a byte-level BPE"),
        (lambda t: t["model"].update(type="Unigram"), "must be a byte-level BPE"),
        (lambda t: t["model"].update(vocab=[]), "model.vocab must map"),
        (lambda t: t["model"]["vocab"].update(he="256"), "model.vocab must map"),
        (lambda t: t["model"]["vocab"].update(he=255), "each once; missing: 256"),
        (lambda t: t["model"]["vocab"].pop("he"), "each once; missing: 256"),
        (lambda t: t["model"]["vocab"].update({f"x{i}": 262 + i for i in range(99)}), "vocab_size 300"),
        (
            lambda t: t["model"]["vocab"].update({"h e": t["model"]["vocab"].pop("hello")}),
            "outside the byte-level",
        ),
        (
            lambda t: t["model"]["vocab"].update({"zz": t["model"]["vocab"].pop("!")}),
            "bytes without a token: '!'",
        ),
        (lambda t: t["model"].update(merges=None), "model.merges must be a list"),
        (lambda t: t["model"]["merges"].append(["h"]), "merge 6 is no pair"),
        (lambda t: t["model"]["merges"].append(["h", "z"]), "outside the vocabulary"),
        (lambda t: t["model"]["merges"].reverse(), "out of order"),
        (lambda t: t.update(added_tokens={}), "added_tokens must be a list"),
        (lambda t: t["added_tokens"][3].update(id="9"), "no valid id and content"),
        (lambda t: t["added_tokens"][3].update(content="\ud800"), "no valid id and content"),
        (lambda t: t["added_tokens"][-1].update(id=SIZE), "has id 300, vocab_size is 300"),
        (lambda t: t["added_tokens"][-1].update(id=5), "id 5 is both '&' and added token"),
        (lambda t: t["added_tokens"][-1].update(id=298), "occurs twice"),
        (lambda t: t["added_tokens"][-1].update(content="hello"), "occurs twice"),
        (lambda t: t["added_tokens"][8].update(content="<|begin|>"), "missing from added_tokens: <|start|>"),
    ],
)
def test_each_kind_of_nonsense_is_named(
    folder: Path, change: Callable[[dict[str, Any]], None], message: str
) -> None:
    edit(folder, change)
    vocabulary, problems = load(folder)
    assert vocabulary is None
    assert any(message in problem for problem in problems), problems


@pytest.mark.parametrize("name", ["tokenizer.json", "tokenizer_config.json", "chat_template.jinja"])
def test_unreadable_files_are_named(folder: Path, name: str) -> None:
    (folder / name).write_bytes(b"\xff\xfe")
    vocabulary, problems = load(folder)
    assert vocabulary is None
    assert str(folder / name) in problems[0]


def test_the_synthetic_tokenizer_is_valid_for_hugging_face(folder: Path) -> None:
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    text = "<|start|>hello \u00e9\U0001f600<|end|>"
    ids = tokenizer.encode(text).ids
    assert ids[:2] == [270, 259]
    assert ids[-1] == 271
    assert tokenizer.decode(ids, skip_special_tokens=False) == text
