"""tokenizer.json -> the token list, token types, merges and special ids of a GGUF."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from .errors import ConvertError
from .gguf_writer import MetaValue, ValueType
from .safetensors_reader import read_json

NORMAL: Final = 1
CONTROL: Final = 3
USER_DEFINED: Final = 4
UNUSED: Final = 5

# The engine looks these up by name.
HARMONY_TOKENS: Final = (
    "<|startoftext|>", "<|endoftext|>", "<|return|>", "<|constrain|>", "<|channel|>",
    "<|start|>", "<|end|>", "<|message|>", "<|call|>",
)  # fmt: skip
_DEFAULT_SPECIALS: Final = {"bos": "<|startoftext|>", "eos": "<|return|>", "pad": "<|endoftext|>"}


def byte_alphabet() -> list[str]:
    """GPT-2's printable stand-in for each of the 256 bytes: index = byte."""
    printable = {*range(33, 127), *range(161, 173), *range(174, 256)}
    others = iter(range(256, 512))
    return [chr(byte if byte in printable else next(others)) for byte in range(256)]


@dataclass(frozen=True)
class Vocabulary:
    """The tokenizer of one model. `tokens` and `types` have one entry per id of the model's vocabulary."""

    tokens: tuple[str, ...]
    types: tuple[int, ...]
    merges: tuple[str, ...]  # "left right", best first
    specials: Mapping[str, int]  # "bos", "eos", "pad" -> id
    add_bos: bool
    add_eos: bool
    chat_template: str | None

    def metadata(self) -> dict[str, MetaValue]:
        """The `tokenizer.*` keys, as llama.cpp names them."""
        names = {"bos": "bos", "eos": "eos", "pad": "padding"}
        result = {
            "tokenizer.ggml.model": MetaValue(ValueType.STRING, "gpt2"),
            "tokenizer.ggml.pre": MetaValue(ValueType.STRING, "gpt-4o"),
            "tokenizer.ggml.tokens": MetaValue(ValueType.STRING, self.tokens),
            "tokenizer.ggml.token_type": MetaValue(ValueType.I32, self.types),
            "tokenizer.ggml.merges": MetaValue(ValueType.STRING, self.merges),
            **{
                f"tokenizer.ggml.{names[kind]}_token_id": MetaValue(ValueType.U32, token)
                for kind, token in self.specials.items()
            },
            "tokenizer.ggml.add_bos_token": MetaValue(ValueType.BOOL, self.add_bos),
            "tokenizer.ggml.add_eos_token": MetaValue(ValueType.BOOL, self.add_eos),
        }
        if self.chat_template:
            result["tokenizer.chat_template"] = MetaValue(ValueType.STRING, self.chat_template)
        return result


def load_vocabulary(
    folder: Path, config: Mapping[str, Any], vocab_size: int, problems: list[str]
) -> Vocabulary | None:
    """Reads tokenizer.json, and the settings, generation config and chat template beside it, if any.

    Appends a line to `problems` for everything wrong and then returns None.
    """
    before = len(problems)
    try:
        tokenizer = read_json(folder / "tokenizer.json")
        settings = _optional_json(folder / "tokenizer_config.json")
        generation = _optional_json(folder / "generation_config.json")
        template = _chat_template(folder, settings)
    except ConvertError as error:
        problems.append(str(error))
        return None
    model = tokenizer.get("model")
    if not isinstance(model, dict) or model.get("type", "BPE") != "BPE":
        problems.append("tokenizer.json: model must be a byte-level BPE")
        return None
    base = _base_tokens(model.get("vocab"), vocab_size, problems)
    added = _added_tokens(tokenizer.get("added_tokens", []), base, vocab_size, problems)
    merges = _merges(model.get("merges"), base, problems)
    if len(problems) > before:
        return None
    tokens, types = _fill(base, added, vocab_size)
    ids = {token: index for index, token in enumerate(tokens) if types[index] == CONTROL}
    missing = [name for name in HARMONY_TOKENS if name not in ids]
    if missing:
        problems.append(f"tokenizer.json: control tokens are missing from added_tokens: {', '.join(missing)}")
    specials = _special_ids((settings, config, generation), ids, vocab_size, problems)
    if len(problems) > before:
        return None
    add_bos, add_eos = (settings.get(f"add_{kind}_token") is True for kind in ("bos", "eos"))
    return Vocabulary(tuple(tokens), tuple(types), merges, specials, add_bos, add_eos, template)


def _optional_json(path: Path) -> dict[str, Any]:
    return read_json(path) if path.is_file() else {}


def _chat_template(folder: Path, settings: Mapping[str, Any]) -> str | None:
    """The Jinja chat template: from tokenizer_config.json, else from its own file."""
    template = settings.get("chat_template")
    path = folder / "chat_template.jinja"
    if template is None and path.is_file():
        try:
            template = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConvertError(path, f"cannot be read: {error}") from error
    if template is not None and not _is_text(template):
        raise ConvertError(folder, "chat_template is no text")
    return template


def _is_text(value: object) -> bool:
    """Whether it is a non-empty string that UTF-8 can carry (JSON can hold lone surrogates)."""
    return isinstance(value, str) and value != "" and not any("\ud800" <= char <= "\udfff" for char in value)


def _base_tokens(vocab: Any, vocab_size: int, problems: list[str]) -> list[str]:
    """The BPE tokens in id order; their ids must be 0, 1, 2, ... because the id is the merge rank."""
    if not isinstance(vocab, dict) or not all(type(index) is int for index in vocab.values()):
        problems.append("tokenizer.json: model.vocab must map tokens to ids")
        return []
    if len(vocab) > vocab_size:
        problems.append(f"tokenizer.json: {len(vocab)} tokens, config.json: vocab_size {vocab_size}")
        return []
    tokens = sorted(vocab, key=vocab.__getitem__)
    ids = [vocab[token] for token in tokens]
    if ids != list(range(len(ids))):
        missing = sorted(set(range(len(ids))) - set(ids))
        problems.append(
            f"tokenizer.json: model.vocab ids must be 0..{len(ids) - 1}, each once; missing: {_some(missing)}"
        )
        return []
    alphabet = set(byte_alphabet())
    foreign = [token for token in tokens if not token or not alphabet.issuperset(token)]
    if foreign:
        problems.append(f"tokenizer.json: tokens outside the byte-level alphabet: {_some(foreign)}")
    absent = sorted(alphabet - vocab.keys())
    if absent:
        problems.append(f"tokenizer.json: bytes without a token: {_some(absent)}")
    return tokens


def _added_tokens(
    entries: Any, base: list[str], vocab_size: int, problems: list[str]
) -> dict[int, tuple[str, int]]:
    """id -> (content, token type) of the tokens that stand beside the BPE."""
    added: dict[int, tuple[str, int]] = {}
    contents: dict[str, int] = {token: index for index, token in enumerate(base)}
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        problems.append("tokenizer.json: added_tokens must be a list of objects")
        return added
    for entry in entries:
        index, content = entry.get("id"), entry.get("content")
        if type(index) is not int or not _is_text(content):
            problems.append(f"tokenizer.json: added token {content!r} has no valid id and content")
        elif not 0 <= index < vocab_size:
            problems.append(
                f"tokenizer.json: added token {content!r} has id {index}, vocab_size is {vocab_size}"
            )
        elif index < len(base) and base[index] != content:
            problems.append(f"tokenizer.json: id {index} is both {base[index]!r} and added token {content!r}")
        elif index in added or contents.get(content, index) != index:
            problems.append(f"tokenizer.json: added token {content!r} or its id {index} occurs twice")
        else:
            control = entry.get("special") is True or (content.startswith("<|") and content.endswith("|>"))
            added[index] = (content, CONTROL if control else USER_DEFINED)
            contents[content] = index
    return added


def _merges(entries: Any, base: list[str], problems: list[str]) -> tuple[str, ...]:
    """The merges as "left right"; they must be sorted by the id they produce, since readers merge by id."""
    if not isinstance(entries, list):
        problems.append("tokenizer.json: model.merges must be a list")
        return ()
    ids = {token: index for index, token in enumerate(base)}
    result = []
    last = 0
    for number, entry in enumerate(entries):
        pair = entry.split(" ") if isinstance(entry, str) else entry
        if not isinstance(pair, list) or len(pair) != 2 or not all(isinstance(part, str) for part in pair):
            problems.append(f"tokenizer.json: merge {number} is no pair of tokens: {entry!r}")
            return ()
        rank = ids.get(pair[0] + pair[1])
        if rank is None or pair[0] not in ids or pair[1] not in ids:
            problems.append(f"tokenizer.json: merge {number} uses tokens outside the vocabulary: {pair!r}")
            return ()
        if rank < last:
            problems.append(f"tokenizer.json: merge {number} {pair!r} is out of order (rank = id)")
            return ()
        last = rank
        result.append(f"{pair[0]} {pair[1]}")
    return tuple(result)


def _fill(
    base: list[str], added: Mapping[int, tuple[str, int]], vocab_size: int
) -> tuple[list[str], list[int]]:
    """One token and type per id; ids without a name become unused `[PAD<id>]`, as in llama.cpp."""
    tokens = base + [f"[PAD{index}]" for index in range(len(base), vocab_size)]
    types = [NORMAL] * len(base) + [UNUSED] * (vocab_size - len(base))
    for index, (content, kind) in added.items():
        tokens[index], types[index] = content, kind
    return tokens, types


def _special_ids(
    sources: tuple[Mapping[str, Any], ...], ids: Mapping[str, int], vocab_size: int, problems: list[str]
) -> dict[str, int]:
    """bos, eos and pad: the first source that names a token or an id, else the family's own names."""
    result: dict[str, int] = {}
    for kind, default in _DEFAULT_SPECIALS.items():
        token: object = None
        for source in sources:
            named = source.get(f"{kind}_token")
            named = named.get("content") if isinstance(named, dict) else named
            token = ids.get(named) if isinstance(named, str) else source.get(f"{kind}_token_id")
            if type(token) is int:
                break
        else:
            token = ids.get(default)
        if type(token) is not int or not 0 <= token < vocab_size:
            problems.append(f"{kind} token id {token!r} is outside the vocabulary of {vocab_size}")
        else:
            result[kind] = token
    return result


def _some(items: list[Any]) -> str:
    """The first few items for an error line."""
    shown = ", ".join(repr(item) for item in items[:5])
    return shown + (f" and {len(items) - 5} more" if len(items) > 5 else "")
