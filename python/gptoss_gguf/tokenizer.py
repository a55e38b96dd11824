"""Text <-> token ids, with the vocabulary that the GGUF file carries."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import tiktoken

from gptoss_gguf.errors import ModelFileError, RequestError
from gptoss_gguf.pretokenize import PATTERN, cut_long_blanks

_NORMAL = 1  # token types of GGUF; 2 to 6 are unknown, control, user defined, unused, byte
_LONGEST_BLANK_RUN = 100_000  # tiktoken dies at a million, and gets slower before
_RANK_SAMPLES = 20_000


def _byte_of_char() -> dict[int, int]:
    """The GPT-2 map of printable characters to bytes, as code point -> byte; 0xFFFF is no byte."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in set(printable)]
    stand_ins = {0x100 + i: byte for i, byte in enumerate(others)}
    return {**{byte: byte for byte in printable}, **dict.fromkeys(others, 65535), **stand_ins}


class Tokenizer:
    """Byte-pair encoding over a GGUF's token list, where a token's rank is its place in the list.

    Text never becomes a control token: `encode("<|end|>")` gives the tokens of these seven characters.
    Control tokens are had by name, through `special`.
    """

    def __init__(
        self, tokens: Sequence[str], token_types: Sequence[int], *, source: str = "vocabulary"
    ) -> None:
        """`tokens` are in the GPT-2 byte notation; `source` is the file that error messages name.

        Raises ModelFileError where the list is not a rank-ordered byte-pair vocabulary.
        """
        if len(tokens) != len(token_types):
            raise ModelFileError(
                f"{source}: tokenizer.ggml.token_type has {len(token_types)} entries for {len(tokens)} tokens"
            )
        ranks, specials = _split_vocabulary(tokens, token_types, source)
        _check_ranks(ranks, source)
        self._specials = specials
        self._n_vocab = len(tokens)
        self._encoding = tiktoken.Encoding(
            "gpt-oss", pat_str=PATTERN, mergeable_ranks=ranks, special_tokens=specials
        )

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, Any], *, source: str) -> "Tokenizer":
        """Builds the tokenizer from the key-value pairs of the GGUF file named `source`."""
        # Ollama's own files, architecture "gptoss", name the wrong pre-tokenizer.
        pre = ("gpt-4o", "default") if metadata.get("general.architecture") == "gptoss" else ("gpt-4o",)
        for key, accepted in (("tokenizer.ggml.model", ("gpt2",)), ("tokenizer.ggml.pre", pre)):
            found = metadata.get(key)
            if found not in accepted:
                raise ModelFileError(
                    f"{source}: {key} is {found!r}, expected {accepted[0]!r}: not a gpt-oss vocabulary"
                )
        for key in ("tokenizer.ggml.tokens", "tokenizer.ggml.token_type"):
            if key not in metadata:
                raise ModelFileError(f"{source}: the key {key} is missing: the file carries no vocabulary")
        return cls(metadata["tokenizer.ggml.tokens"], metadata["tokenizer.ggml.token_type"], source=source)

    @property
    def n_vocab(self) -> int:
        """Number of token ids, control tokens included."""
        return self._n_vocab

    @property
    def specials(self) -> Mapping[str, int]:
        """Name -> id of every token that text cannot produce."""
        return self._specials

    def encode(self, text: str) -> list[int]:
        """Token ids of `text`. Surrogate pairs are joined; lone surrogates become U+FFFD."""
        if not isinstance(text, str):
            raise RequestError(f"text must be a str, not {type(text).__name__}")
        try:
            text.encode()
        except UnicodeEncodeError:
            text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        if len(text) < _LONGEST_BLANK_RUN:
            return self._encoding.encode_ordinary(text)
        ids: list[int] = []
        for segment, is_one_pretoken in cut_long_blanks(text, _LONGEST_BLANK_RUN):
            ids += (
                self._encode_pretoken(segment) if is_one_pretoken else self._encoding.encode_ordinary(segment)
            )
        return ids

    def _encode_pretoken(self, piece: str) -> list[int]:
        # The merge without the pattern: the public calls would send the run through the pattern again.
        ids: list[int] = self._encoding._core_bpe.encode_single_piece(piece.encode())
        return ids

    def special(self, name: str) -> int:
        """Id of a control token such as "<|start|>". Raises RequestError if the vocabulary lacks it."""
        try:
            return self._specials[name]
        except KeyError:
            raise RequestError(f"the model's vocabulary has no token {name}") from None

    def token_bytes(self, token_id: int) -> bytes:
        """Bytes of one token; a control token gives its name. Raises RequestError for an unknown id."""
        try:
            return self._encoding.decode_single_token_bytes(token_id)
        except (KeyError, OverflowError, TypeError):
            raise RequestError(
                f"token id {token_id!r} is not in the vocabulary of {self._n_vocab} tokens"
            ) from None

    def decode_bytes(self, ids: Iterable[int]) -> bytes:
        """The bytes of the tokens, joined."""
        return b"".join(map(self.token_bytes, ids))

    def decode(self, ids: Iterable[int]) -> str:
        """The text of the tokens; bytes that are not UTF-8 become U+FFFD."""
        return self.decode_bytes(ids).decode("utf-8", "replace")


def _split_vocabulary(
    tokens: Sequence[str], token_types: Sequence[int], source: str
) -> tuple[dict[bytes, int], dict[str, int]]:
    """Ranks of the normal tokens, as bytes, and ids of all others, by name."""
    to_latin1 = _byte_of_char()
    ranks: dict[bytes, int] = {}
    specials: dict[str, int] = {}
    for token_id, (token, token_type) in enumerate(zip(tokens, token_types, strict=True)):
        try:
            raw = token.translate(to_latin1).encode("latin-1") if token_type == _NORMAL else token.encode()
        except UnicodeEncodeError:
            notation = "the GPT-2 byte notation" if token_type == _NORMAL else "UTF-8"
            raise ModelFileError(f"{source}: token {token_id} ({token!r}) is not in {notation}") from None
        if token_type == _NORMAL:
            previous = ranks.setdefault(raw, token_id)
        else:
            previous = specials.setdefault(token, token_id)
        if previous != token_id:
            raise ModelFileError(f"{source}: tokens {previous} and {token_id} are the same ({token!r})")
    return ranks, specials


def _check_ranks(ranks: dict[bytes, int], source: str) -> None:
    """Every byte must be a token, and every longer token the merge of two tokens of lower rank.

    Some 20,000 tokens, evenly spread, are checked: enough to find a vocabulary that was sorted otherwise.
    """
    missing = [byte for byte in range(256) if bytes([byte]) not in ranks]
    if missing:
        raise ModelFileError(
            f"{source}: {len(missing)} of the 256 single bytes are no tokens (first: 0x{missing[0]:02x})"
        )
    items = list(ranks.items())
    for token, rank in items[:: max(1, len(items) // _RANK_SAMPLES)]:
        if len(token) > 1 and not any(
            ranks.get(token[:i], rank) < rank and ranks.get(token[i:], rank) < rank
            for i in range(len(token) - 1, 0, -1)
        ):
            raise ModelFileError(
                f"{source}: token {rank} ({token!r}) is not made of two tokens before it: "
                "the vocabulary is not in rank order"
            )
